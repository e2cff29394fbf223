from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.episodes.batches import _cut, draw_batches, group_tasks

few_examples = settings(max_examples=40, deadline=None)
counts = st.tuples(st.integers(0, 9), st.integers(1, 9))


def rows_of(widths, runs):
    return sum((end - start) * widths[start:end].max(axis=0).sum() for start, end in runs)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_cuts_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    size, most = rng.integers(1, 8), rng.integers(1, 5)
    widths = rng.integers(0, rng.integers(2, 10), (size, 2))
    runs = _cut(widths, most)
    assert [start for start, _ in runs] == [0, *[end for _, end in runs[:-1]]]
    assert runs[-1][1] == size
    best = min(
        (rows_of(widths, list(itertools.pairwise((0, *inner, size)))), count + 1)
        for count in range(min(most, size))
        for inner in itertools.combinations(range(1, size), count)
    )
    # The fewest rows, and of those the fewest runs.
    assert (rows_of(widths, runs), len(runs)) == best


@few_examples
@given(sizes=st.lists(counts, min_size=1, max_size=30), batch_size=st.integers(1, 35))
def test_groups_hold_all_tasks_and_none_has_more_examples_than_its_group(sizes, batch_size):
    support, query = np.array(sizes).T
    groups = group_tasks(support, query, batch_size)
    slots = min(batch_size, len(sizes))
    np.testing.assert_array_equal(np.sort(np.concatenate(groups.members)), np.arange(len(sizes)))
    assert len(groups.members) <= 6
    layouts = groups.layouts
    assert layouts.support.num_tasks == layouts.query.num_tasks == slots
    for members, (rows, width), (query_rows, query_width) in zip(
        groups.members, layouts.support.groups, layouts.query.groups, strict=True
    ):
        assert rows == query_rows
        assert width == max(1, support[members].max())
        assert query_width == query[members].max()
    most = slots * (max(1, support.max()) + query.max())
    assert layouts.support.num_rows + layouts.query.num_rows <= most


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(counts, min_size=1, max_size=12),
    batch_size=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_an_epoch_has_every_task_once(sizes, batch_size, seed):
    groups = group_tasks(*np.array(sizes).T, batch_size)
    with jax.disable_jit():
        tasks, weights = map(np.asarray, draw_batches(groups, jax.random.key(seed)))
    slots = min(batch_size, len(sizes))
    assert tasks.shape == weights.shape == (groups.steps, slots)
    # No more batches than needed, and none without a task.
    assert groups.steps == -(-len(sizes) // slots)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    assert (weights.sum(axis=1) > 0).all()
    np.testing.assert_array_equal(np.sort(tasks[weights > 0]), np.arange(len(sizes)))
    start = 0
    for members, (rows, _) in zip(groups.members, groups.layouts.query.groups, strict=True):
        assert np.isin(tasks[:, start : start + rows], members).all()
        start += rows


def test_every_key_has_another_order():
    support, query = np.arange(40) % 7, 1 + np.arange(40) % 5
    groups = group_tasks(support, query, 8)
    draw = jax.jit(lambda key: draw_batches(groups, key))
    first, again, other = (np.asarray(draw(jax.random.key(seed))[0]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # Which tasks are together in a batch changes too.
    assert {frozenset(row.tolist()) for row in first} != {frozenset(row.tolist()) for row in other}


@pytest.mark.parametrize("batch_size", [1, 8, 100])
def test_tasks_with_equally_many_examples_form_one_group_without_padding(batch_size):
    groups = group_tasks(np.full(50, 3), np.full(50, 4), batch_size)
    size = min(batch_size, 50)
    assert groups.layouts.support.groups == ((size, 3),)
    assert groups.layouts.query.groups == ((size, 4),)


def test_grouping_saves_most_of_the_padding():
    rng = np.random.default_rng(0)
    support = np.minimum(rng.geometric(0.05, 500), 90)
    query = np.full(500, 10)
    layouts = group_tasks(support, query, 32).layouts
    needed = 32 * support.mean()
    assert layouts.support.num_rows < 1.6 * needed < 0.5 * 32 * support.max()
