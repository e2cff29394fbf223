"""A search over what layers are made of and how many there are, from files to results."""

from __future__ import annotations

import json

import pytest

from kapl_jax.methods.red_gnn.pipeline import run_red_gnn
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from tests.methods.red_gnn.family import write_family

pytestmark = pytest.mark.usefixtures("compiled_plainly")


@pytest.fixture(scope="module")
def searched(tmp_path_factory, compiled_plainly):
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("search")
    people = write_family(folder / "people", "a", 14)
    settings = RedGNNSettings(
        dataset=str(people),
        workdir=str(folder / "run"),
        structure="",
        candidates=6,
        round_size=3,
        epochs=1,
        search_activations="relu",
        search_layers="1,2",
        search_attention_dims="2",
        num_layers=2,
        hidden_dim=4,
        attention_dim=2,
        finalists=2,
        final_epochs=2,
        seeds=2,
        explained_answers=0,
        chunk_size=4,
        log_progress=False,
    )
    run_red_gnn(settings)
    return folder / "run"


def candidates(run, stage):
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "candidate" and event["stage"] == stage]


def test_structures_of_several_depths_and_messages_are_searched(searched):
    found = candidates(searched, "search")
    assert len({one["id"] for one in found}) == len(found) >= 6
    described = " ".join(one["describe"] for one in found)
    assert "num_layers=1" in described
    assert "num_layers=2" in described
    assert sum(name in described for name in ("=sum", "=product", "=rotation", "=mean", "=max")) > 2


def test_the_best_of_them_and_the_published_one_are_trained_at_the_end(searched):
    results = json.loads((searched / "results.json").read_text())
    final = candidates(searched, "final")
    assert {one["name"] for one in final} == {"searched-1", "searched-2", "published"}
    assert len(final) == 6
    best = results["best"]["name"]
    scores = {
        name: sum(one["score"] for one in final if one["name"] == name)
        for name in ("searched-1", "searched-2", "published")
    }
    assert scores[best] == max(scores.values())
    assert 0 < results["test"]["mrr"]["mean"] <= 1
