"""What results.json holds, from outcomes that nothing was trained for."""

from __future__ import annotations

import copy
import dataclasses
import json

import jax
import numpy as np
import pytest

from kapl_jax.methods.coldnas.method import (
    COLDNAS,
    adapted_per_user,
    planted_results,
    pruning_results,
    unseen_items,
)
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.pruning import Pruning
from kapl_jax.methods.coldnas.settings import METRICS
from kapl_jax.methods.contenders import Contender
from kapl_jax.methods.pipeline import SearchPipeline
from kapl_jax.methods.results import Finished, describe_results, make_results
from kapl_jax.modulation.structures import parse_structure, preset
from kapl_jax.runs.files import plain
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.individual import Individual
from kapl_jax.search.stage import Outcome
from tests.methods.coldnas.tiny import (
    HYPERPARAMETERS,
    ITEMS,
    OPTIONS,
    POSITIONS,
    parameters,
    tiny_cold_start,
)
from tests.methods.coldnas.tiny import SETTINGS as TINY

pytestmark = pytest.mark.usefixtures("compiled_plainly")

# Nothing is pruned, which would train.
SETTINGS = dataclasses.replace(TINY, objective="mae", keep_gain=0.0)
FOUND = parse_structure("scale; -; max shift", "here")
CONTENDERS = [
    Contender("searched-1", FOUND, True),
    Contender("pruned", preset("film", POSITIONS), True),
    Contender("none", preset("none", POSITIONS), False),
]
# Mean absolute errors of two seeds each.
ERRORS = {"searched-1": (0.3, 0.1), "pruned": (0.5, 0.2), "none": (0.4, 0.6)}


def outcome(contender, seed, error):
    record = {
        "valid": {name: error + index for index, name in enumerate(METRICS)},
        "test": {name: 2 * error + index for index, name in enumerate(METRICS)},
    }
    individual = Individual(contender.structure, HYPERPARAMETERS, seed, contender.name)
    return Outcome(individual, -error, True, record)


OUTCOMES = {
    one.name: [outcome(one, seed, error) for seed, error in enumerate(ERRORS[one.name])]
    for one in CONTENDERS
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, compiled_plainly):
    """Results, the store that they are made with, and its untrained models, one per seed."""
    folder = tmp_path_factory.mktemp("run")
    data = dataclasses.replace(tiny_cold_start(), planted=preset("film", POSITIONS))
    record = RunDirectory.open(folder, {"method": "coldnas", "dataset": data.describe()})
    pipeline = SearchPipeline(COLDNAS, SETTINGS, data, record)
    individuals = [one.individual for name in OUTCOMES for one in OUTCOMES[name]]
    models = [
        {"params": jax.tree.map(lambda leaf, factor=index: (1 + factor) * leaf, parameters())}
        for index in range(len(individuals))
    ]
    pipeline.store.save(individuals, jax.tree.map(lambda *leaves: np.stack(leaves), *models))
    results = make_results(Finished(pipeline, CONTENDERS, OUTCOMES))
    record.close()
    return results, pipeline.store, models


def test_the_best_mean_is_chosen_and_its_best_seed_kept(made):
    results, store, models = made
    assert results["best"]["name"] == "searched-1"
    assert results["objective"] == "mae"
    assert results["seeds"] == 2
    kept, description = store.load_best()
    for leaf, expected in zip(jax.tree.leaves(kept), jax.tree.leaves(models[1]), strict=True):
        np.testing.assert_array_equal(leaf, expected)
    assert description["name"] == "searched-1"
    np.testing.assert_array_equal(COLDNAS.space(SETTINGS).read(description), FOUND)
    assert results["best"]["embedding_dim"] == OPTIONS.embedding_dim


def test_rows_of_all_contenders(made):
    results = made[0]
    assert [one["name"] for one in results["searched"]] == ["searched-1", "pruned"]
    assert list(results["baselines"]) == ["none"]
    row = results["searched"][0]
    assert row["formula"] == "scale; -; max shift"
    assert row["hyperparameters"] == HYPERPARAMETERS
    assert row["valid"]["mse"]["mean"] == pytest.approx(0.2)
    assert row["test"]["mae"]["mean"] == pytest.approx(1.4)
    assert results["test"] == row["test"]
    assert results["searched"][1]["equivalent_to"] == ["film"]
    assert (row["equivalent_to"], results["baselines"]["none"]["equivalent_to"]) == ([], ["none"])
    assert len(results["best"]["expressions"]) == POSITIONS
    assert "max" in results["best"]["expressions"][2]


def test_parameters_are_counted(made):
    results, _, models = made
    counted = sum(leaf.size for leaf in jax.tree.leaves(models[0]))
    assert results["parameters"] == counted
    assert results["baselines"]["none"]["parameters"] == counted


def test_explanations_are_those_of_validation_users(made):
    users = made[0]["reasons"]["users"]
    data = tiny_cold_start()
    assert [one["user"] for one in users] == [f"user {data.users[u]}" for u in data.valid.users[:4]]


def test_results_are_plain_json(made):
    written = plain(made[0])
    assert json.loads(json.dumps(written)) == written


def test_what_was_planted_is_compared_with_what_was_found(made):
    planted = made[0]["planted"]
    assert planted["structure"] == preset("film", POSITIONS).tolist()
    assert planted["recovered"] is False
    assert planted["added"] == ["max at 2"]


def test_numbers_that_a_user_decides():
    data = tiny_cold_start()
    # Two fields of two numbers of the item and of the user, then layers of 4 and 3.
    assert adapted_per_user(OPTIONS, data, preset("film", 3)) == 2 * (8 + 4 + 3)
    assert adapted_per_user(OPTIONS, data, FOUND) == 8 + 2 * 3
    assert adapted_per_user(OPTIONS, data, preset("none", 3)) == 0
    assert adapted_per_user(OPTIONS, data, NetworkSpace(3, 2).identity) is None


def test_items_that_training_never_saw_are_counted():
    data = tiny_cold_start()
    trained = set(data.train.support_items[data.train.support_mask].tolist())
    trained |= set(data.train.query_items[data.train.query_mask].tolist())
    found = unseen_items(data)
    for split, tasks in (("valid", data.valid), ("test", data.test)):
        rated = set(tasks.support_items[tasks.support_mask].tolist())
        rated |= set(tasks.query_items[tasks.query_mask].tolist())
        assert found[f"{split}_items"] == len(rated) <= ITEMS
        assert found[split] == len(rated - trained) > 0
    none_new = unseen_items(dataclasses.replace(data, valid=data.train, test=data.train))
    assert (none_new["valid"], none_new["test"]) == (0, 0)


def test_pruning_tells_what_each_operation_is_worth():
    structure = parse_structure("scale; shift", "here")
    smaller, empty = parse_structure("scale; -", "here"), parse_structure("-; -", "here")
    importance = np.zeros((2, 4))
    importance[0, 2], importance[1, 3] = 0.5, -0.25
    pruning = Pruning(smaller, importance, np.stack([structure, smaller, empty]), -np.arange(3.0))
    assert pruning_results("mse", pruning) == {
        "structure": smaller.tolist(),
        "formula": "scale; -",
        "importance": [
            {"position": 0, "operation": "scale", "loss_without": 0.5},
            {"position": 1, "operation": "shift", "loss_without": -0.25},
        ],
        "chain": [
            {"formula": "scale; shift", "mse": 0.0},
            {"formula": "scale; -", "mse": 1.0},
            {"formula": "-; -", "mse": 2.0},
        ],
    }
    higher = pruning_results("ndcg_at_3", pruning)["chain"]
    assert [one["ndcg_at_3"] for one in higher] == [0.0, -1.0, -2.0]


@pytest.mark.parametrize(
    ("found", "recovered", "missing", "added"),
    [
        ("shift; max", True, [], []),
        ("shift; -", False, ["max at 1"], []),
        ("scale shift; max", False, [], ["scale at 0"]),
        ("-; min", False, ["shift at 0", "max at 1"], ["min at 1"]),
    ],
)
def test_the_planted_structure_is_found_or_not(found, recovered, missing, added):
    planted = parse_structure("shift; max", "here")
    told = planted_results(planted, parse_structure(found, "here"))
    assert told["recovered"] is recovered
    assert (told["missing"], told["added"]) == (missing, added)
    assert told["formula"] == "shift; max"


def test_other_numbers_of_positions_cannot_be_the_planted():
    told = planted_results(preset("film", 4), preset("film", 3))
    assert told["recovered"] is False


def test_the_lines_of_the_terminal(made):
    results = copy.deepcopy(made[0])
    results["pruning"] = {"formula": "scale; -; -"}
    results["planted"] = {"formula": "shift; -; -", "recovered": False}
    results["unseen_items"] = {"test": 2, "test_items": 11}
    lines = describe_results(COLDNAS, SETTINGS, results).splitlines()
    assert lines[0] == "best on validation   searched-1: scale; -; max shift"
    assert lines[1].startswith("  h0 = ")
    assert lines[4:] == [
        "validation MAE       1.2000 ± 0.1414",
        "test MAE             1.4000 ± 0.2828",
        "validation MAE       1.5000 ± 0.1414  (best preset, none)",
        "test MAE             2.0000 ± 0.2828  (best preset, none)",
        "smallest as good     scale; -; -",
        "not in training      2 of 11 test items",
        "planted              shift; -; -: not found",
    ]


def test_the_lines_of_a_run_without_presets_whose_best_is_one(made):
    results = copy.deepcopy(made[0])
    results["best"] |= {"name": "given-1", "equivalent_to": ["film"]}
    results["baselines"] = {}
    del results["unseen_items"], results["planted"]
    shown = describe_results(COLDNAS, SETTINGS, results)
    assert shown.startswith("best on validation   given-1, equivalent to film: ")
    assert "preset" not in shown
    assert "not in training" not in shown
