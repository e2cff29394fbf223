from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kapl_jax.bilinear.presets import preset, preset_names
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.problem import HYPERPARAMETERS, TrainingOptions
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.runs.settings import identity
from kapl_jax.search.searchers import REGISTRY


def test_defaults_are_sound():
    made = AutoBLMSettings()
    assert made.given_structures() == {}
    assert made.preset_names() == preset_names(4)
    assert made.search_schedule().rungs == (made.epochs,)
    assert tuple(made.base_hyperparameters()) == HYPERPARAMETERS


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
        AutoBLMSettings(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_other_numbers_of_blocks(blocks):
    made = AutoBLMSettings(num_blocks=blocks, embedding_dim=60, final_embedding_dim=60)
    assert made.preset_names() == preset_names(blocks)


def test_presets_by_name():
    assert AutoBLMSettings(presets="none").preset_names() == ()
    assert AutoBLMSettings(presets=" complex, distmult ,").preset_names() == ("complex", "distmult")


def test_given_structures():
    given = AutoBLMSettings(
        structure="complex | 1 0 0 0;0 2 0 0;0 0 3 0;0 0 0 -4|"
    ).given_structures()
    assert list(given) == ["complex", "given-2"]
    np.testing.assert_array_equal(given["complex"], preset("complex", 4))
    np.testing.assert_array_equal(given["given-2"], np.diag([1, 2, 3, -4]))


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
    made = AutoBLMSettings(**other, final_embedding_dim=12, dropout=0.25)
    expected = TrainingOptions(**other, dropout=True)
    assert made.search_options() == expected
    assert made.final_options() == dataclasses.replace(expected, embedding_dim=12)
    plain = AutoBLMSettings()
    for name, value in other.items():
        assert getattr(plain.search_options(), name) != value
    assert made.base_hyperparameters()["dropout"] == 0.25


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
    made = AutoBLMSettings(**changes)
    assert made.search_options().dropout is search
    assert made.final_options().dropout is end


def test_every_searcher_can_be_chosen():
    for name in REGISTRY:
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
