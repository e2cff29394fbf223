from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.method import AUTOBLM
from kapl_jax.methods.autoblm.problem import TrainingOptions
from kapl_jax.methods.autoblm.settings import SEARCHERS, AutoBLMSettings, training_options
from kapl_jax.methods.structures import first_structures, given_structures, preset_structures
from kapl_jax.runs.settings import identity
from kapl_jax.search.searchers import REGISTRY


def given(**changes):
    made = AutoBLMSettings(**changes)
    return given_structures(made, AUTOBLM.space(made))


def presets(**changes):
    made = AutoBLMSettings(**changes)
    return preset_structures(made, AUTOBLM.space(made))


def options(final, **changes):
    made = AutoBLMSettings(**changes)
    return training_options(made, preset("complex", 4), final)


def test_defaults_are_sound():
    made = AutoBLMSettings()
    assert given() == {}
    assert tuple(presets()) == preset_names(4)
    assert made.search_schedule().rungs == (made.epochs,)
    # In this order: from it tuning draws.
    assert tuple(made.hyperparameters()) == ("learning_rate", "regularisation", "decay", "dropout")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding_dim": 30}, "--embedding_dim=30: expected a multiple of --num_blocks=4"),
        ({"final_embedding_dim": 30}, "--final_embedding_dim=30: expected a multiple"),
        ({"num_blocks": 5}, "--embedding_dim=64: expected a multiple of --num_blocks=5"),
        ({"num_blocks": 6}, "--num_blocks=6: out of range"),
        ({"candidates": 0}, "--candidates=0: out of range, expected at least 1"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan: expected a finite number"),
        ({"regularisation": -1.0}, "--regularisation=-1.0: out of range"),
        ({"presets": "distmult,oops"}, "--presets: .*'oops'"),
        ({"structure": "oops"}, "--structure: .*'oops'"),
        ({"structure": "1 0; 0"}, "--structure: row 2 of 2 has 1 entries"),
        ({"structure": "1 0; 0 2"}, "--structure='1 0; 0 2': found 2 blocks"),
        ({"structure": "1 0 0 0;0 2 0 0;0 0 3 0;0 0 0 5"}, "--structure: "),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_flag(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        given(**changes), presets(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_other_numbers_of_blocks(blocks):
    found = presets(num_blocks=blocks, embedding_dim=60, final_embedding_dim=60)
    assert tuple(found) == preset_names(blocks)
    for name, structure in found.items():
        np.testing.assert_array_equal(structure, preset(name, blocks))


def test_presets_by_name():
    assert presets(presets="none") == {}
    assert tuple(presets(presets=" complex, distmult ,")) == ("complex", "distmult")


def test_given_structures():
    found = given(structure="complex | 1 0 0 0;0 2 0 0;0 0 3 0;0 0 0 -4|")
    assert list(found) == ["complex", "given-2"]
    np.testing.assert_array_equal(found["complex"], preset("complex", 4))
    np.testing.assert_array_equal(found["given-2"], np.diag([1, 2, 3, -4]))
    assert all(one.dtype == np.int8 for one in found.values())


def test_evolution_starts_from_the_presets_where_that_is_wanted():
    for warm in (True, False):
        made = AutoBLMSettings(warm_start=warm)
        space = AUTOBLM.space(made)
        count = len(space.presets()) + 3
        found = first_structures(made, space, np.random.default_rng(0), count)
        simple = space.start(np.random.default_rng(0), count)
        known = list(space.presets().values()) if warm else []
        expected = np.concatenate([np.reshape(known, (-1, 4, 4)), simple])[:count]
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.int8


def test_halving():
    made = AutoBLMSettings(epochs=27, halving_rungs=3, halving_factor=3)
    assert made.search_schedule().rungs == (3, 9, 27)
    np.testing.assert_allclose(made.search_schedule().keep, 1 / 3)


def test_every_training_option_is_a_setting():
    """None is forgotten on the way from the flag to the problem."""
    other = {
        "embedding_dim": 8,
        "batch_size": 9,
        "optimizer": "adam",
        "regulariser": "l2",
        "penalised": "relation",
        "unit_ball": True,
        "reciprocal": True,
        "negatives": 10,
        "precision": "bfloat16",
    }
    assert set(other) | {"dropout"} == {field.name for field in dataclasses.fields(TrainingOptions)}
    changes = {**other, "final_embedding_dim": 12, "dropout": 0.25}
    expected = TrainingOptions(**other, dropout=True)
    assert options(False, **changes) == expected
    assert options(True, **changes) == dataclasses.replace(expected, embedding_dim=12)
    for name, value in other.items():
        assert getattr(options(False), name) != value
    assert AutoBLMSettings(**changes).hyperparameters()["dropout"] == 0.25


@pytest.mark.parametrize(
    ("changes", "search", "end"),
    [
        ({}, False, False),
        ({"dropout": 0.1}, True, True),
        ({"tuning_dropout": 0.1}, False, True),
        ({"tuning_dropout": 0.1, "tuning_samples": 1}, False, False),
    ],
)
def test_dropout_costs_only_where_it_is_used(changes, search, end):
    assert options(False, **changes).dropout is search
    assert options(True, **changes).dropout is end


def test_every_searcher_is_offered_that_needs_no_relaxed_structure():
    assert set(SEARCHERS) == set(REGISTRY) - {"differentiable"}
    for name in SEARCHERS:
        assert AutoBLMSettings(searcher=name).searcher == name


def test_a_run_is_the_same_wherever_and_however_it_is_done():
    ways = {
        "data_dir": "x",
        "workdir": "y",
        "chunk_size": 3,
        "cpu_devices": 3,
        "compilation_cache": "none",
        "checkpoint_seconds": 1.0,
        "log_progress": False,
    }
    assert identity(AutoBLMSettings(**ways)) == identity(AutoBLMSettings())
    assert not set(identity(AutoBLMSettings())) & set(ways)
    for name, value in {"seed": 1, "epochs": 3, "dataset": "kinships"}.items():
        assert identity(AutoBLMSettings(**{name: value})) != identity(AutoBLMSettings())
