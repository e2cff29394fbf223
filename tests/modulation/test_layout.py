from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.modulation.layout import Layout

LAYOUTS = [Layout(((3, 2),)), Layout(((2, 1), (1, 4), (3, 2))), Layout(((1, 1), (1, 1)))]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=str)


def owners(layout):
    """Return the task that each row belongs to."""
    found, task = [], 0
    for tasks, width in layout.groups:
        for _ in range(tasks):
            found += [task] * width
            task += 1
    return np.array(found)


@every_layout
def test_counts(layout):
    assert layout.num_rows == len(owners(layout))
    assert layout.num_tasks == owners(layout).max() + 1


@every_layout
def test_rows_are_cut_by_group_and_joined_again(layout):
    rows = np.arange(layout.num_rows * 2.0).reshape(-1, 2)
    parts = layout.split_rows(rows)
    assert [part.shape for part in parts] == [(*group, 2) for group in layout.groups]
    task = 0
    for part in parts:
        for one in part:
            np.testing.assert_array_equal(one, rows[owners(layout) == task])
            task += 1
    np.testing.assert_array_equal(layout.join_rows(parts), rows)


@every_layout
@pytest.mark.parametrize("axis", [0, 1])
def test_tasks_are_cut_by_group(layout, axis):
    values = np.arange(layout.num_tasks)[:, None] * np.ones(3)
    values = values if axis == 0 else values.T
    parts = layout.split_tasks(values, axis=axis)
    assert [part.shape[axis] for part in parts] == [tasks for tasks, _ in layout.groups]
    np.testing.assert_array_equal(np.concatenate(parts, axis), values)


@every_layout
def test_values_of_tasks_are_spread_on_their_rows(layout):
    values = np.random.default_rng(0).normal(size=(layout.num_tasks, 3)).astype(np.float32)
    np.testing.assert_array_equal(layout.spread(values), values[owners(layout)])
    np.testing.assert_array_equal(layout.spread(values[:, 0]), values[owners(layout), 0])


@every_layout
def test_totals_of_rows(layout):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(layout.num_rows, 3)).astype(np.float32)
    weights = rng.normal(size=layout.num_rows).astype(np.float32)
    expected = np.zeros((layout.num_tasks, 3))
    for owner, row, weight in zip(owners(layout), rows, weights, strict=True):
        expected[owner] += weight * row
    np.testing.assert_allclose(layout.total(rows, weights), expected, rtol=1e-5, atol=1e-6)
