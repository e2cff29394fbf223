from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.defaults import SUGGESTED
from kapl_jax.methods.coldnas.problem import ColdNASOptions
from kapl_jax.methods.coldnas.settings import (
    METRICS,
    ColdNASSettings,
    make_space,
    training_options,
)
from kapl_jax.methods.structures import given_structures, preset_structures
from kapl_jax.modulation.structures import preset, preset_names
from kapl_jax.runs.settings import identity, make_settings
from kapl_jax.search.searchers import REGISTRY


def given(**changes):
    settings = ColdNASSettings(**changes)
    return given_structures(settings, make_space(settings))


def presets(**changes):
    settings = ColdNASSettings(**changes)
    return preset_structures(settings, make_space(settings))


def options(settings, final=False):
    everything = np.ones((settings.positions, 4), bool)
    return training_options(settings, everything, final)


def test_defaults_are_sound():
    made = ColdNASSettings()
    assert given() == {}
    assert tuple(presets()) == preset_names(4)
    assert made.positions == 4
    assert made.search_schedule().rungs == (made.epochs,)
    assert made.hyperparameters() == {
        "learning_rate": made.learning_rate,
        "decay": made.decay,
        "weight_decay": made.weight_decay,
        "unseen_rate": made.unseen_rate,
    }
    assert made.protocol() == Protocol()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_units": "abc"}, "--hidden_units='abc': expected widths separated by commas"),
        ({"hidden_units": "8,,4"}, "--hidden_units='8,,4': expected widths"),
        ({"hidden_units": "8,0"}, "--hidden_units='8,0': expected widths"),
        ({"hidden_units": ""}, "--hidden_units='': expected widths"),
        ({"candidates": 0}, "--candidates=0: out of range, expected at least 1"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan: expected a finite number"),
        ({"unseen_rate": 1.5}, "--unseen_rate=1.5: out of range, expected 0 to 1"),
        ({"keep_gain": -0.1}, "--keep_gain=-0.1: out of range"),
        ({"query_items": 13}, "--min_ratings: found 13, expected more than the 13"),
        ({"valid_share": 0.3}, "--valid_share: found 0.3"),
        (
            {"search_space": "networks", "searcher": "differentiable"},
            "--searcher=differentiable: does not search --search_space=networks, expected random",
        ),
        (
            {"search_space": "networks", "searcher": "progressive"},
            "--searcher=progressive: does not search --search_space=networks",
        ),
        (
            {"search_space": "networks", "structure": "film"},
            "--structure: given with --search_space=networks, expected --search_space=operations",
        ),
        (
            {"search_space": "networks", "landscape": 8},
            "--landscape: given with --search_space=networks, expected --search_space=operations",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_flag(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        ColdNASSettings(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"presets": "film,oops"}, "--presets: found 'oops', expected 'all', 'none' or some of"),
        ({"structure": "oops"}, "--structure: .*'oops'"),
        ({"structure": "scale; -"}, "--structure='scale; -': found 2 positions, expected 4, one"),
        ({"structure": "scale; -; -; twist"}, "--structure: .*'twist'"),
    ],
)
def test_structures_that_cannot_be_are_one_line_with_the_flag(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        given(**changes), presets(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("units", "positions"), [("8", 2), ("8, 4", 3), ("128,64,32,16", 5)])
def test_positions_follow_from_the_layers(units, positions):
    made = ColdNASSettings(hidden_units=units)
    assert made.positions == positions
    assert options(made).hidden_units == tuple(map(int, units.split(",")))
    assert given(hidden_units=units, structure="film")["film"].shape == (positions, 4)


def test_given_structures():
    found = given(structure="film | shift; -; max scale; -|")
    assert list(found) == ["film", "given-2"]
    np.testing.assert_array_equal(found["film"], preset("film", 4))
    expected = [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(found["given-2"], np.array(expected, bool))


def test_presets_by_name():
    assert presets(presets="none") == {}
    found = presets(presets=" scale, film ,")
    assert list(found) == ["scale", "film"]
    np.testing.assert_array_equal(found["film"], preset("film", 4))


def test_every_training_option_is_a_setting():
    """None is forgotten on the way from the flag to the problem."""
    other = {
        "embedding_dim": 3,
        "hidden_units": "5,4",
        "context_dim": 6,
        "batch_size": 7,
        "objective": "ndcg_at_5",
        "redraw": False,
    }
    names = {field.name for field in dataclasses.fields(ColdNASOptions)}
    assert set(other) | {"network_units"} == names
    made = ColdNASSettings(**other)
    assert options(made) == ColdNASOptions(**{**other, "hidden_units": (5, 4)})
    assert options(made, final=True) == options(made)
    for name in other:
        assert getattr(options(ColdNASSettings()), name) != getattr(options(made), name)
    networks = ColdNASSettings(search_space="networks", network_units=3)
    assert options(networks) == ColdNASOptions(network_units=3)


def test_every_number_of_the_protocol_is_a_setting():
    other = {
        "min_ratings": 8,
        "max_ratings": 20,
        "query_items": 3,
        "train_share": 0.5,
        "valid_share": 0.25,
        "scenario": "item_cold",
        "new_items_since": 1990,
    }
    made = ColdNASSettings(**other, split_seed=4).protocol()
    assert made == Protocol(**other, seed=4)
    assert set(other) | {"seed"} == {field.name for field in dataclasses.fields(Protocol)}
    for name, value in dataclasses.asdict(made).items():
        assert getattr(Protocol(), name) != value


@pytest.mark.parametrize("searcher", REGISTRY)
def test_every_searcher_can_be_chosen(searcher):
    assert ColdNASSettings(searcher=searcher).searcher == searcher


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_can_be_searched_for(metric):
    assert options(ColdNASSettings(objective=metric)).objective == metric


@pytest.mark.parametrize("dataset", SUGGESTED)
def test_suggested_defaults_are_sound(dataset):
    made = make_settings(ColdNASSettings, {"dataset": dataset, "workdir": ""}, SUGGESTED)
    for name, value in SUGGESTED[dataset].items():
        assert getattr(made, name) == value
        assert type(value) is type(getattr(ColdNASSettings(), name)), name
    assert made.positions == 4


def test_nothing_is_suggested_for_what_is_not_known():
    given = {"dataset": "my folder", "workdir": ""}
    assert make_settings(ColdNASSettings, given, SUGGESTED) == ColdNASSettings(**given)


def test_samples_stay_near_the_given_numbers():
    settings = ColdNASSettings(tuning_samples=200, seed=4)
    samples = settings.sampled_hyperparameters()
    assert samples[0] == settings.hyperparameters()
    assert samples == settings.sampled_hyperparameters()
    assert samples != dataclasses.replace(settings, seed=5).sampled_hyperparameters()
    assert len({json.dumps(one) for one in samples}) == 200
    rates = np.array([one["learning_rate"] for one in samples]) / settings.learning_rate
    assert rates.min() >= 1 / 3
    assert rates.max() <= 3
    assert rates.min() < 0.5
    assert rates.max() > 2
    decays = np.array([one["weight_decay"] for one in samples]) / settings.weight_decay
    assert decays.min() >= 0.1
    assert decays.max() <= 10
    hidden = np.array([one["unseen_rate"] for one in samples])
    assert hidden.min() >= 0
    assert hidden.max() <= 2 * settings.unseen_rate
    assert {one["decay"] for one in samples} == {settings.decay}
    high = ColdNASSettings(tuning_samples=50, unseen_rate=0.9).sampled_hyperparameters()
    assert max(one["unseen_rate"] for one in high) == 1.0


def test_a_run_is_the_same_wherever_and_however_it_is_done():
    ways = {
        "data_dir": "x",
        "workdir": "y",
        "cpu_devices": 3,
        "checkpoint_seconds": 1.0,
        "log_progress": False,
    }
    assert identity(ColdNASSettings(**ways)) == identity(ColdNASSettings())
    assert not set(identity(ColdNASSettings())) & set(ways)
    for name, value in {"split_seed": 1, "objective": "mae", "dataset": "lastfm"}.items():
        assert identity(ColdNASSettings(**{name: value})) != identity(ColdNASSettings())
