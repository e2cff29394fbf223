"""What a reasoning model is made of, and how that is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kapl_jax.errors import UserError
from kapl_jax.methods.choice_space import ChoiceSpace
from kapl_jax.relational.choices import Offered
from kapl_jax.relational.searched_layer import ACTIVATIONS, AGGREGATIONS, GATES, MESSAGES

NAMED: Mapping[str, tuple[str, ...]] = {
    "activation": tuple(ACTIVATIONS),
    "message": tuple(MESSAGES),
    "aggregation": AGGREGATIONS,
    "gate": GATES,
}
"""The axes of which alternatives have names; the order is that of `Offered.axes`."""

NUMBERS: Mapping[str, tuple[int, int]] = {
    "attention_dim": (0, 1024),
    "num_layers": (1, 20),
    "hidden_dim": (1, 8192),
}
"""The axes of which alternatives are numbers, smallest and largest; the last two change shapes."""

NAMES = (*NAMED, *NUMBERS)
Structure = dict[str, str | int]

PUBLISHED = "published"
PRESETS: Mapping[str, Structure] = {
    PUBLISHED: {},
    "nbfnet": {
        "activation": "relu",
        "message": "conditioned_product",
        "aggregation": "pna",
        "gate": "concat",
        "attention_dim": 0,
    },
}
"""Known structures by name: how each differs from that of the single flags (RED-GNN's)."""


def parse_choices(text: str, axis: str, flag: str) -> tuple[str | int, ...]:
    """Return the alternatives of an axis from text with commas.

    Raises:
        UserError: One is unknown, or there is none.
    """
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise UserError(f"{flag}: empty, expected {_expected(axis)}")
    return tuple(_parse(part, axis, flag) for part in parts)


def parse_structure(text: str, base: Structure, flag: str) -> Structure:
    """Return the structure of text such as `message=product, num_layers=3` or `nbfnet, gate=off`.

    Args:
        text: Choices separated by commas, where the name of a preset stands for its choices.
        base: What is not mentioned.
        flag: For messages.

    Raises:
        UserError: A name or a value is unknown.
    """
    structure = dict(base)
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part in PRESETS:
            structure |= base | PRESETS[part]
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in NAMES:
            raise UserError(
                f"{flag}: found {part!r}, expected NAME=VALUE of {', '.join(NAMES)}, or "
                f"{' or '.join(PRESETS)}"
            )
        structure[name] = _parse(value, name, flag)
    return structure


def read_structure(description: Mapping[str, Any]) -> Structure:
    """Return the structure in a model's description, which may be of another version.

    Raises:
        LookupError: It lacks an axis.
        ValueError: It holds an alternative that is unknown here.
    """
    structure = {name: description["structure"][name] for name in NAMES}
    for name, value in structure.items():
        known = NAMED[name] if name in NAMED else _numbers(name)
        if type(value) is not (str if name in NAMED else int) or value not in known:
            raise ValueError(f"{name} is {value!r}, expected {_expected(name)}")
    return structure


@dataclasses.dataclass(frozen=True)
class ReasoningSpace(ChoiceSpace):
    """Reasoning models by what they are made of.

    Attributes:
        base: The structure of the single flags, by default the published one.
    """

    base: Structure

    def presets(self) -> dict[str, np.ndarray]:
        """Return the known structures that are points of the space, by name."""
        known = {name: self.base | choices for name, choices in PRESETS.items()}
        axes = dict(zip(self.names, self.axes, strict=True))
        return {
            name: self.candidate(structure)
            for name, structure in known.items()
            if all(structure[axis] in offered for axis, offered in axes.items())
        }

    def parse(self, text: str, source: str) -> np.ndarray:
        """Return the structure of text such as `message=product, num_layers=3`.

        Raises:
            UserError: A name or a value is unknown.
        """
        return self.candidate(parse_structure(text, self.base, source))

    def read(self, record: Mapping[str, Any]) -> np.ndarray:
        """Return the structure of such a record, which may be of another version.

        Raises:
            LookupError: It lacks an axis.
            ValueError: It holds an alternative that is unknown here.
        """
        return self.candidate(read_structure(record))


def offered_by(space: ChoiceSpace) -> Offered:
    """Return what programs must know to train any structure of the space."""
    axes = dict(zip(space.names, space.axes, strict=True))
    return Offered(
        activations=tuple(map(str, axes["activation"])),
        messages=tuple(map(str, axes["message"])),
        aggregations=tuple(map(str, axes["aggregation"])),
        gates=tuple(map(str, axes["gate"])),
        attention_dims=tuple(map(int, axes["attention_dim"])),
    )


def narrowed(offered: Offered, structure: Structure) -> Offered:
    """Return what is offered with what costs much of `structure` alone: message, aggregation, ...

    A structure's indices may stay what they were: where there is one alternative, none is chosen.
    Of gates and attentions there are several where none of them brings parameters of its own, or
    takes away all: structures of the search space by default share a program.
    """
    return dataclasses.replace(
        offered,
        messages=(str(structure["message"]),),
        aggregations=(str(structure["aggregation"]),),
        gates=(str(structure["gate"]),) if "concat" in offered.gates else offered.gates,
        attention_dims=offered.attention_dims if structure["attention_dim"] else (0,),
    )


def _parse(text: str, axis: str, flag: str) -> str | int:
    if axis in NAMED and text in NAMED[axis]:
        return text
    if axis in NUMBERS and text.isdecimal() and int(text) in _numbers(axis):
        return int(text)
    raise UserError(f"{flag}: found {text!r} for {axis}, expected {_expected(axis)}")


def _expected(axis: str) -> str:
    if axis in NAMED:
        return f"some of {', '.join(NAMED[axis])}"
    return "whole numbers from {} to {}".format(*NUMBERS[axis])


def _numbers(axis: str) -> range:
    smallest, largest = NUMBERS[axis]
    return range(smallest, largest + 1)
