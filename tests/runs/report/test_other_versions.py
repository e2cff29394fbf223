"""Reports of runs that another version, or a hand, has left otherwise: what is there is shown."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
from collections.abc import Iterator

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods import PRESENTATIONS
from kapl_jax.runs.report import as_text, compare
from kapl_jax.runs.report.page import render
from kapl_jax.runs.results_shape import RESULTS as SHAPE
from kapl_jax.runs.run_directory import CONFIG, METRICS, RESULTS, read_run
from kapl_jax.runs.shapes import fitting

OTHERS = (None, [], {}, "x", 3, True)
BEST = {"name": "a", "structure": [[1, 0], [0, 2]], "formula": "f", "hyperparameters": {"r": 1.0}}
METRICS_OF_ONE = {"mrr": {"mean": 0.5, "std": None}}
WHOLE = {
    "method": "autoblm",
    "dataset": "toy",
    "searcher": "random",
    "best": BEST,
    "valid": METRICS_OF_ONE,
    "test": METRICS_OF_ONE,
    "baselines": {"b": {**BEST, "valid": METRICS_OF_ONE, "test": METRICS_OF_ONE}},
    "searched": [{**BEST, "valid": METRICS_OF_ONE, "test": METRICS_OF_ONE, "parameters": 3}],
    "by_relation": {"r": {"count": 3, "mrr": 0.5}},
    "parameters": 3,
    "seeds": 1,
    "candidates_trained": 4,
    "seconds": 1.5,
    "device": "cpu",
}
SETTINGS = {
    "method": "autoblm",
    "settings": {"seeds": 1, "searcher": "random"},
    "dataset": {"name": "toy", "entities": 3, "digest": "x"},
}


def places(value, here=()) -> Iterator[tuple]:
    """Yield the place of everything within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for key, entry in items:
        yield (*here, key)
        if isinstance(entry, dict | list):
            yield from places(entry, (*here, key))


def changed(value, place, new) -> dict:
    value = copy.deepcopy(value)
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    if new is places:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return value


def write_run(folder, config, results):
    (folder / CONFIG).write_text(json.dumps(config))
    (folder / METRICS).write_text('{"event": "of tomorrow", "stage": "search"}\n')
    (folder / RESULTS).write_text(json.dumps(results))
    return folder


def show(folder):
    run = read_run(folder)
    return render([run], PRESENTATIONS) + as_text(compare([run]))


@pytest.fixture
def without_drawing(monkeypatch):
    """Figures take nearly all the time."""
    sections = "kapl_jax.runs.report.sections"
    names = (
        *(f"{sections}.{name}" for name in ("results", "parsimony", "pictures")),
        "kapl_jax.methods.by_relation",
    )
    for name in names:
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "to_svg", lambda *_: "<svg></svg>")


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("new", [places, None, "x", {}], ids=["gone", "null", "text", "object"])
def test_what_is_there_is_shown(tmp_path, new):
    for place in places(WHOLE):
        if len(place) < 4:
            write_run(tmp_path, SETTINGS, changed(WHOLE, place, new))
            assert "autoblm" in show(tmp_path), place
    for place in places(SETTINGS):
        write_run(tmp_path, changed(SETTINGS, place, new), WHOLE)
        with contextlib.suppress(UserError):
            show(tmp_path)


def test_the_whole_fits():
    assert fitting(WHOLE, {**SHAPE, **PRESENTATIONS["autoblm"].shape}) == (WHOLE, [])


@pytest.mark.parametrize("new", OTHERS)
def test_what_does_not_fit_is_left_out_and_told(new):
    found, told = fitting(changed(WHOLE, ("searched", 0, "valid"), new), SHAPE)
    assert found["best"] == BEST
    assert found["searched"][0].get("valid", {}) == {}
    assert bool(told) == (new not in (None, {}))
    assert all(line.startswith("searched[0].valid: found") for line in told)


@pytest.mark.usefixtures("without_drawing")
def test_one_seed_has_no_deviation_also_in_earlier_results(tmp_path):
    earlier = json.loads(json.dumps(WHOLE).replace('"std": null', '"std": 0.0'))
    write_run(tmp_path, SETTINGS, earlier)
    shown = show(tmp_path)
    assert "±" not in shown
    assert "Of one seed." in shown


@pytest.mark.usefixtures("without_drawing")
def test_where_nothing_was_searched_plain_words_say_so(tmp_path):
    results = {**WHOLE, "searcher": "none", "candidates_trained": 0}
    write_run(tmp_path, SETTINGS, results)
    run = read_run(tmp_path)
    page = render([run], PRESENTATIONS)
    assert "none, structures were given" in page
    assert "Structures trained" not in page
    assert "autoblm, none" not in page
    assert compare([run])[0].searcher is None
