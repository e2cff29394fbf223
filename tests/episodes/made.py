"""Tasks as plain lists, and as the padded arrays that they become."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kapl_jax.episodes.tasks import ExampleRows, ExampleSets, Tasks

MOST = 5

Example = tuple[int, tuple[float, ...], float]
"""An example's two features (a number, three coordinates) and its label."""


@dataclasses.dataclass
class SlowTask:
    """A task without any padding."""

    feature: int
    support: list[Example]
    query: list[Example]


def draw_examples(rng: np.random.Generator, count: int) -> list[Example]:
    """Return different examples."""
    return [
        (int(rng.integers(1, 1 << 30)), tuple(map(float, rng.integers(-9, 9, 3))), float(label))
        for label in rng.integers(1, 9, count)
    ]


def draw_tasks(rng: np.random.Generator, count: int, most: int = MOST) -> list[SlowTask]:
    """Return tasks of 0 to `most` support examples and 1 to `most` queries; the last has most."""
    sizes = [*((rng.integers(most + 1), rng.integers(1, most + 1)) for _ in range(count - 1))]
    return [
        SlowTask(int(rng.integers(1000)), draw_examples(rng, support), draw_examples(rng, query))
        for support, query in (*sizes, (most, most))
    ]


def padded(tasks: list[SlowTask], label_dtype: Any = np.float32) -> Tasks:
    """Return the tasks as arrays; features in the padding are junk."""

    def sets(examples: list[list[Example]]) -> ExampleSets:
        width = max(1, *map(len, examples))
        shape = len(examples), width
        number, point = np.full(shape, -7, np.int32), np.full((*shape, 3), -7, np.float32)
        labels, mask = np.zeros(shape, label_dtype), np.zeros(shape, bool)
        for row, own in enumerate(examples):
            for index, example in enumerate(own):
                number[row, index], point[row, index], labels[row, index] = example
                mask[row, index] = True
        # NumPy arrays: what only takes parts of them has nothing to compile.
        return ExampleSets({"number": number, "point": point}, labels, mask)

    return Tasks(
        features=(np.array([task.feature for task in tasks], np.int32),),
        support=sets([task.support for task in tasks]),
        query=sets([task.query for task in tasks]),
        weights=np.ones(len(tasks), np.float32),
    )


def examples_of(sets: ExampleSets | ExampleRows, at: Any) -> list[Example]:
    """Return the examples at these positions (a task, or rows) that are no padding."""
    mask = np.asarray(sets.mask)[at]
    number, point, labels = (
        np.asarray(values)[at][mask]
        for values in (sets.features["number"], sets.features["point"], sets.labels)
    )
    return [
        (int(one), tuple(coordinates), float(label))
        for one, coordinates, label in zip(number, point, labels, strict=True)
    ]


def unpadded(tasks: Tasks) -> list[SlowTask]:
    """Return tasks as lists again."""
    return [
        SlowTask(
            int(tasks.features[0][index]),
            examples_of(tasks.support, index),
            examples_of(tasks.query, index),
        )
        for index in range(tasks.num_tasks)
    ]
