import dataclasses
import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods import PRESENTATIONS
from kapl_jax.runs.report import write_report
from kapl_jax.runs.report.page import render
from kapl_jax.runs.run_directory import Run, read_run
from tests.runs.report.fake_runs import (
    NASTY_DATASET,
    NASTY_ITEM,
    NASTY_RELATION,
    NASTY_USER,
    write_fake_cold_run,
    write_fake_run,
)

_VOID = {"meta", "link", "br", "img", "hr", "input"}
ALL_SECTIONS = [
    *("found", "trajectory", "pictures", "results", "relations"),
    *("parsimony", "hyperparameters", "settings"),
]


class Page(HTMLParser):
    """Collects what a page refers to, its sections, its ids, its text, and checks its nesting."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.sections: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        for name in ("href", "src", "srcset", "data", "action", "xlink:href", "poster"):
            if given.get(name) is not None:
                self.references.append(str(given[name]))
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            self.references += re.findall(r"url\((.*?)\)", value or "")
        if given.get("id"):
            self.ids.append(str(given["id"]))
            if tag == "section":
                self.sections.append(str(given["id"]))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open and self._open[-1] == "style":
            self.references += re.findall(r"url\((.*?)\)|@import\s+(\S+)", data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Run]:
    def make(name: str = "run", **options: object) -> Run:
        return read_run(write_fake_run(tmp_path / name, **options))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """A finished run with names that need escaping, and its page."""
    folder = tmp_path_factory.mktemp("finished")
    run = read_run(write_fake_run(folder / "run", dataset=NASTY_DATASET))
    return run, render([run], PRESENTATIONS)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a finished search for modulation, by MSE."""
    folder = tmp_path_factory.mktemp("cold")
    return render([read_run(write_fake_cold_run(folder / "run"))], PRESENTATIONS)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of four runs on two datasets, one of them unfinished."""
    folder = tmp_path_factory.mktemp("several")
    folders = [
        write_fake_run(folder / "a"),
        write_fake_run(folder / "b", searcher="progressive", seed=1),
        write_fake_run(folder / "c", searcher="random", finished=False, candidates=30),
        write_fake_run(folder / "d", dataset="nations", embedding_dim=512),
    ]
    return render([read_run(one) for one in folders], PRESENTATIONS)


def test_pages_are_self_contained(finished: tuple[Run, str], several: str, cold: str) -> None:
    for source in (finished[1], several, cold):
        page = Page(source)
        assert page.references
        assert all(one.startswith(("#", "data:")) for one in page.references)
        assert not re.search(r"https?://", source)
        assert "script" not in page.tags
        assert page.handlers == []


def test_ids_are_unique_and_links_lead_somewhere(several: str, cold: str) -> None:
    for source in (several, cold):
        page = Page(source)
        assert len(set(page.ids)) == len(page.ids)
        assert {one[1:] for one in page.references if one.startswith("#")} <= set(page.ids)


def test_all_sections_are_there_in_order(finished: tuple[Run, str]) -> None:
    assert Page(finished[1]).sections == ALL_SECTIONS


def test_values_are_those_of_the_results(finished: tuple[Run, str]) -> None:
    run, source = finished
    assert run.results is not None
    text = Page(source).text
    for metric in ("mrr", "hits_at_10"):
        found = run.results["test"][metric]
        assert f"{found['mean']:.4f} ± {found['std']:.4f}" in text
    for name, entry in run.results["baselines"].items():
        assert name in text
        assert f"{entry['test']['mrr']['mean']:.4f} ± {entry['test']['mrr']['std']:.4f}" in text
    for shown in ("11,584", "17,280", "3 min 08 s", "2 x cpu", "antisymmetric", "135 entities"):
        assert shown in text
    assert run.results["best"]["formula"] in text
    assert run.results["best"]["latex"] in text
    assert "+0.0070 against the best preset, complex" in text


def test_names_are_escaped(finished: tuple[Run, str]) -> None:
    source = finished[1]
    page = Page(source)
    assert NASTY_RELATION in page.text
    assert NASTY_DATASET in page.text
    assert NASTY_RELATION not in source
    assert "graph" not in page.tags
    assert f"<title>AutoBLM on {html.escape('my <graph> &')}" in source


def test_dollar_signs_in_figures_are_no_mathematics(fake: Callable[..., Run]) -> None:
    run = fake(finished=False, candidates=0)
    parts = {"$a$ <b>": {"count": 3, "mrr": 0.5}}
    run = dataclasses.replace(run, results={"by_pattern": parts, "valid": {"mrr": 0.5}})
    assert "$a$ <b> (3)" in Page(render([run], PRESENTATIONS)).text


def test_a_search_that_beats_no_preset_says_so(fake: Callable[..., Run]) -> None:
    assert (
        "The best structure is the preset complex"
        in Page(render([fake(best="complex")], PRESENTATIONS)).text
    )


def test_structures_that_were_given_are_not_said_to_be_found(fake: Callable[..., Run]) -> None:
    run = fake()
    settings = {**run.config["settings"], "structure": "1 0; 0 2"}
    given = dataclasses.replace(run, config={**run.config, "settings": settings})
    for one, origin, other in ((run, "found", "given"), (given, "given", "found")):
        text = Page(render([one], PRESENTATIONS)).text
        assert f"The best structure {origin} reaches" in text
        assert f"Best {origin}" in text
        assert f"Best {other}" not in text
        assert ("What was searched, and" in text) == (origin == "found")


@pytest.mark.parametrize(
    ("candidates", "sections"),
    [(0, ["found", "settings"]), (40, ["found", "trajectory", "pictures", "settings"])],
)
def test_unfinished_runs_have_a_page(
    fake: Callable[..., Run], candidates: int, sections: list[str]
) -> None:
    page = Page(render([fake(finished=False, candidates=candidates)], PRESENTATIONS))
    assert page.sections == sections
    assert "not finished (stage: search)" in page.text


def test_a_search_in_which_all_diverged_has_a_page(fake: Callable[..., Run]) -> None:
    run = fake(finished=False, candidates=4)
    events = [{**event, "score": None} for event in run.events]
    assert Page(render([dataclasses.replace(run, events=events)], PRESENTATIONS)).sections == [
        "found",
        "settings",
    ]


def test_bare_results_of_another_method_have_a_page(tmp_path: Path) -> None:
    results = {"best": {"formula": "max(x, y)"}, "valid": {"auc": 0.7}, "test": {"auc": 0.65}}
    run = Run(tmp_path / "run", {"method": "other"}, [], results)
    page = Page(render([run], PRESENTATIONS))
    assert page.sections == ["found", "results"]
    assert "AUC" in page.text
    assert "baseline" in page.text


def test_a_search_for_modulation_has_its_own_sections_and_words(cold: str) -> None:
    page = Page(cold)
    assert page.sections == [
        *("found", "trajectory", "pictures", "results", "published", "landscape", "explanations"),
        *("parsimony", "hyperparameters", "settings"),
    ]
    assert "1,872 users, 3,846 items" in page.text
    assert "-0.0031 against the best preset, shift; lower is better." in page.text
    assert "The highest quarter of the structures may lie above the axis" in page.text
    assert "down is better" in page.text
    assert "Lower is better for MSE and MAE." in page.text
    assert "Adapted per user 256" in page.text
    assert NASTY_USER in page.text
    assert NASTY_ITEM in page.text
    assert "h0 = leaky_relu([item, user] + φ4)\nh1" in html.unescape(cold), "one line per equation"


def test_metrics_of_unfinished_runs_are_not_negated(tmp_path: Path) -> None:
    page = Page(
        render([read_run(write_fake_cold_run(tmp_path / "run", finished=False))], PRESENTATIONS)
    )
    assert page.sections == ["found", "trajectory", "pictures", "settings"]
    assert "Best validation MSE so far: 0.2" in page.text
    assert "valid MSE 0.2" in page.text


def test_candidates_of_weights_have_no_pictures(tmp_path: Path) -> None:
    run = read_run(write_fake_cold_run(tmp_path / "run", finished=False, candidates=2))
    events = [{**event, "candidate": [[0.5, 0.1], [1.0, 0.2]]} for event in run.events]
    page = Page(render([dataclasses.replace(run, events=events)], PRESENTATIONS))
    assert page.sections == ["found", "trajectory", "settings"]


def test_runs_that_select_by_other_metrics_have_figures_of_their_own(tmp_path: Path) -> None:
    runs = [
        read_run(write_fake_cold_run(tmp_path / objective, objective=objective))
        for objective in ("mse", "ndcg_at_5")
    ]
    page = Page(render(runs, PRESENTATIONS))
    assert "lastfm, selected by MSE" in page.text
    assert "lastfm, selected by nDCG@5" in page.text
    assert len([one for one in page.ids if re.fullmatch(r"trajectory\d-figure_1", one)]) == 2
    assert len(set(page.ids)) == len(page.ids)


def test_several_runs_stand_beside_each_other(several: str) -> None:
    page = Page(several)
    assert page.sections == ["runs", *ALL_SECTIONS]
    for shown in ("evolutionary", "progressive", "random", "nations", "unfinished: search"):
        assert shown in page.text
    trajectories = [one for one in page.ids if re.fullmatch(r"trajectory\d-figure_1", one)]
    assert len(trajectories) == 2, "one figure a dataset"


def test_long_searches_keep_the_page_small(fake: Callable[..., Run]) -> None:
    source = render([fake(finished=False, candidates=3300)], PRESENTATIONS)
    assert "data:image/png;base64" in source
    assert len(source) < 1_000_000


def test_page_is_written_and_replaced(fake: Callable[..., Run], tmp_path: Path) -> None:
    out, run = tmp_path / "new" / "report", fake(finished=False, candidates=2)
    assert (
        write_report([fake("begun", finished=False, candidates=0)], out, PRESENTATIONS)
        == out / "index.html"
    )
    page = write_report([run], out, PRESENTATIONS)
    assert page.read_text(encoding="utf-8") == render([run], PRESENTATIONS)
    assert [one.name for one in out.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_written_is_a_user_error(
    fake: Callable[..., Run], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"index.html: cannot be written: "):
        write_report(
            [fake(finished=False, candidates=0)], tmp_path / "file" / "report", PRESENTATIONS
        )
