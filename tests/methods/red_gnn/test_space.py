"""Structures as text, and the space of alternatives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.red_gnn.space import (
    NAMES,
    ReasoningSpace,
    offered_by,
    parse_choices,
    parse_structure,
    read_structure,
)
from tests.methods.red_gnn.tiny import PUBLISHED


def test_choices_are_split_at_commas_and_come_once():
    assert parse_choices(" relu, tanh,,relu ", "activation", "--f") == ("relu", "tanh")
    assert parse_choices("3, 5 ,8", "attention_dim", "--f") == (3, 5, 8)


@pytest.mark.parametrize(
    ("text", "axis", "message"),
    [
        ("", "message", "--f: empty, expected some of sum, product, rotation"),
        (" , ", "num_layers", "--f: empty, expected whole numbers from 1 to"),
        ("sum,oops", "message", "--f: found 'oops' for message, expected some of sum, product"),
        ("3,0", "num_layers", "--f: found '0' for num_layers, expected whole numbers"),
        ("-3", "hidden_dim", "--f: found '-3' for hidden_dim"),
        ("2.5", "attention_dim", "--f: found '2.5' for attention_dim"),
        ("on", "num_layers", "--f: found 'on' for num_layers"),
        ("3", "gate", "--f: found '3' for gate, expected some of on, off"),
    ],
)
def test_choices_that_do_not_exist_are_one_line_with_the_flag(text, axis, message):
    with pytest.raises(UserError) as caught:
        parse_choices(text, axis, "--f")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_structure_changes_what_it_mentions():
    found = parse_structure(" message = product ,num_layers=3,", PUBLISHED, "--f")
    assert found == {**PUBLISHED, "message": "product", "num_layers": 3}
    assert parse_structure("", PUBLISHED, "--f") == PUBLISHED
    assert PUBLISHED["message"] == "sum"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oops", "--f: found 'oops', expected NAME=VALUE of activation, message"),
        ("colour=red", "--f: found 'colour=red', expected NAME=VALUE"),
        ("message=", "--f: found '' for message, expected some of sum, product, rotation"),
        ("message=sum=2", "--f: found 'sum=2' for message"),
        ("gate=on, hidden_dim=x", "--f: found 'x' for hidden_dim, expected whole numbers"),
    ],
)
def test_structures_that_cannot_be_are_one_line_with_the_flag(text, message):
    with pytest.raises(UserError) as caught:
        parse_structure(text, PUBLISHED, "--f")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_first_axes_of_a_candidate_are_what_programs_offer():
    axes = {name: (PUBLISHED[name],) for name in NAMES}
    axes |= {"activation": ("tanh", "relu"), "attention_dim": (3, 8), "num_layers": (2, 3)}
    space = ReasoningSpace(NAMES, tuple(axes[name] for name in NAMES), PUBLISHED)
    assert space.names == NAMES
    offered = offered_by(space)
    assert offered.axes == space.axes[:5]
    structure = {**PUBLISHED, "activation": "relu", "attention_dim": 3, "num_layers": 3}
    np.testing.assert_array_equal(space.candidate(structure), [1, 0, 0, 0, 0, 1, 0])


def test_the_structure_of_a_description_is_known_or_refused():
    assert read_structure({"structure": PUBLISHED, "more": 1}) == PUBLISHED
    for name, value in (
        ("gate", "of another version"),
        ("message", ["sum"]),
        ("attention_dim", True),
        ("attention_dim", 2.0),
        ("num_layers", 0),
        ("hidden_dim", "48"),
    ):
        with pytest.raises(ValueError, match=name):
            read_structure({"structure": {**PUBLISHED, name: value}})
    with pytest.raises(LookupError):
        read_structure({"structure": {}})


def space_of(**alternatives):
    axes = {name: (value,) for name, value in PUBLISHED.items()} | alternatives
    return ReasoningSpace(NAMES, tuple(axes[name] for name in NAMES), PUBLISHED)


def test_the_preset_is_the_published_structure_where_it_is_offered():
    space = space_of(message=("product", "sum"))
    (name,), (preset,) = space.presets(), space.presets().values()
    assert name == "published"
    assert space.values(preset) == PUBLISHED
    assert space_of(message=("product",)).presets() == {}


def test_what_is_recorded_is_read_again_and_written_as_text():
    space = space_of(message=("product", "sum"), num_layers=(3, 4), gate=("off", "on"))
    for candidate in space.start(np.random.default_rng(0), 8):
        record = json.loads(json.dumps(space.record(candidate)))
        np.testing.assert_array_equal(space.read(record), candidate)
        np.testing.assert_array_equal(space.parse(record["formula"], "--f"), candidate)
        assert record["structure"] == space.values(candidate)
    np.testing.assert_array_equal(
        space.parse("gate=off", "--f"), space.candidate({**PUBLISHED, "gate": "off"})
    )
    with pytest.raises(UserError, match="--f: found 'x' for gate"):
        space.parse("gate=x", "--f")
    with pytest.raises(ValueError, match="gate"):
        space.read({"structure": {**PUBLISHED, "gate": "of another version"}})
