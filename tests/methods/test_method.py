"""What holds of every method as a value; that its runs work is tested in `tests/contract`."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest

from kapl_jax.data.registry import kind_of
from kapl_jax.methods import METHODS, PRESENTATIONS
from kapl_jax.methods.structures import given_structures, preset_structures
from kapl_jax.runs.settings import check_choices, make_settings

EVERY = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def test_each_is_known_by_its_name():
    assert [method.name for method in METHODS.values()] == list(METHODS)
    assert {name: method.presentation for name, method in METHODS.items()} == PRESENTATIONS


@EVERY
def test_it_has_a_program(method):
    assert importlib.util.find_spec(f"experiments.{method.name}") is not None


@EVERY
def test_without_flags_it_runs_on_its_embedded_data(method):
    assert make_settings(method.settings, {}, method.suggested).dataset == method.embedded
    assert kind_of(method.embedded) is method.kind


@EVERY
def test_what_suits_data_is_possible_and_the_data_are_known(method):
    for dataset in method.suggested:
        assert kind_of(dataset) is method.kind
        check_choices(make_settings(method.settings, {"dataset": dataset}, method.suggested))


@EVERY
def test_its_hyperparameters_can_be_varied(method):
    settings = method.settings(tuning_samples=5)
    first, *others = settings.sampled_hyperparameters()
    assert first == settings.hyperparameters()
    assert len(others) == 4
    for one in others:
        assert list(one) == list(first)
        assert one != first
        # What is tried can be given, too.
        dataclasses.replace(settings, **one)


@EVERY
def test_its_presets_are_structures_that_can_be_written_and_read(method):
    settings = make_settings(method.settings, {"presets": "all"}, method.suggested)
    space = method.space(settings)
    presets = preset_structures(settings, space)
    assert presets.keys() == space.presets().keys()
    assert given_structures(settings, space).keys() <= presets.keys()
    for structure in presets.values():
        record = space.record(structure)
        assert {"structure", "formula"} <= record.keys()
        np.testing.assert_array_equal(space.read(record), structure)
        assert space.read(record).dtype == structure.dtype
        for final in (False, True):
            hash(method.options(settings, structure, final))
