"""A search over what layers are made of and how many there are, from files to results."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np
import pytest

from kapl_jax.data.reasoning import load_reasoning_data
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.red_gnn.method import RED_GNN
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.space import read_structure
from kapl_jax.runs.run_directory import Run
from tests.evaluation.slow import assert_metrics_within
from tests.methods.red_gnn.family import write_family
from tests.methods.red_gnn.tiny import metrics_of_ranks, slow_rank_bounds, structure_made_of
from tests.methods.whole_runs import candidates, run_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]
SETTINGS = RedGNNSettings(
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


@pytest.fixture(scope="module")
def searched(tmp_path_factory, compiled_plainly) -> Run:
    """A finished search."""
    folder = tmp_path_factory.mktemp("search")
    people = write_family(folder / "people", "a", 14)
    settings = dataclasses.replace(SETTINGS, dataset=str(people), workdir=str(folder / "run"))
    return run_of(RED_GNN, settings)


def test_structures_of_several_depths_and_messages_are_searched(searched):
    found, space = candidates(searched, "search"), SETTINGS.space()
    assert len({one["id"] for one in found}) == len(found) == 6
    structures = [space.values(np.array(one["candidate"])) for one in found]
    assert len({tuple(one.values()) for one in structures}) == 6
    tried = {name: {one[name] for one in structures} for name in space.names}
    for name, alternatives in zip(space.names, space.axes, strict=True):
        assert tried[name] <= set(alternatives)
        # All of two, and not always the same of more.
        assert len(tried[name]) >= min(2, len(alternatives)), name
    # What is said of each is what it is.
    for one, structure in zip(found, structures, strict=True):
        said = dict(part.split("=") for part in one["describe"].split(", "))
        assert said == {name: str(value) for name, value in structure.items()}


def test_the_best_of_them_and_the_published_one_are_trained_at_the_end(searched):
    results, space = searched.results, SETTINGS.space()
    finals = defaultdict(list)
    for one in candidates(searched, "final"):
        finals[one["name"]].append(one)
    assert {name: [one["seed"] for one in runs] for name, runs in finals.items()} == {
        name: [0, 1] for name in ("searched-1", "searched-2", "published")
    }
    best = sorted(candidates(searched, "search"), key=lambda one: -one["score"])
    for name, expected in (
        ("searched-1", best[0]["candidate"]),
        ("searched-2", best[1]["candidate"]),
        ("published", space.presets()["published"].tolist()),
    ):
        assert all(one["candidate"] == expected for one in finals[name])
    means = {name: np.mean([one["score"] for one in runs]) for name, runs in finals.items()}
    chosen = max(means, key=means.get)
    assert results["best"]["name"] == chosen
    for split in ("valid", "test"):
        expected = np.mean([one[split]["mrr"] for one in finals[chosen]])
        assert results[split]["mrr"]["mean"] == pytest.approx(expected)


def test_the_model_kept_gives_the_recorded_figures(searched):
    """Ranks once more by the slow model, query by query."""
    variables, description = ModelStore(searched.path / "checkpoints").load_best()
    best = searched.results["best"]
    of_seeds = [one for one in candidates(searched, "final") if one["name"] == best["name"]]
    chosen = max(of_seeds, key=lambda event: event["score"])
    structure = read_structure(description)
    assert structure == best["structure"]
    graph = load_reasoning_data(searched.config["settings"]["dataset"]).graph
    for split in ("valid", "test"):
        bounds = slow_rank_bounds(graph, split, variables["params"], structure_made_of(structure))
        assert_metrics_within(chosen[split], metrics_of_ranks, bounds.reshape(-1, 2), rtol=1e-4)


def test_metrics_by_relation_are_means_of_all_seeds(searched):
    """Only one relation is asked for here, so that it has all of the figures."""
    results = searched.results
    assert list(results["by_relation"]) == ["grandparent"]
    of_relation = results["by_relation"]["grandparent"]
    assert of_relation["mrr"] == pytest.approx(results["test"]["mrr"]["mean"], rel=1e-6)
