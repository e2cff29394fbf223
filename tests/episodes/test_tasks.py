"""Tasks as arrays beside tasks as lists."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.episodes.batches import Layouts, group_tasks
from kapl_jax.episodes.tasks import (
    in_batches,
    left_out_masks,
    prefix_masks,
    redrawn,
    with_supports,
)
from kapl_jax.modulation.layout import Layout
from tests.episodes.made import SlowTask, draw_tasks, examples_of, padded, unpadded

few_examples = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def redraw_program():
    return jax.jit(redrawn)


def eight(seed=0):
    """Return eight tasks; their padded shapes are the same for each seed."""
    return draw_tasks(np.random.default_rng(seed), 8)


@few_examples
@given(seed=seeds, batch_size=st.integers(1, 9))
def test_batches_have_the_examples_of_their_tasks_whatever_the_groups(seed, batch_size):
    rng = np.random.default_rng(seed)
    slow = draw_tasks(rng, 7)
    tasks = padded(slow)
    sizes = ([len(getattr(task, part)) for task in slow] for part in ("support", "query"))
    groups = group_tasks(*map(np.array, sizes), batch_size)
    slots = [count for count, _ in groups.layouts.query.groups]
    drawn = zip(groups.members, slots, strict=True)
    batch = np.concatenate([rng.choice(members, count) for members, count in drawn])
    both = tasks.take(batch).rows(groups.layouts)
    for part, rows in zip(("support", "query"), both, strict=True):
        assert len(rows.mask) == len(rows.labels) == rows.layout.num_rows
        start = 0
        widths = [width for count, width in rows.layout.groups for _ in range(count)]
        for task, width in zip(batch, widths, strict=True):
            found = examples_of(rows, slice(start, start + width))
            assert found == getattr(slow[task], part)
            start += width


def test_rows_are_padded_to_the_width_of_the_group_only():
    slow = sorted(eight(), key=lambda task: len(task.support))
    sizes = [len(task.support) for task in slow]
    tasks = padded(slow)
    layouts = Layouts(Layout(((4, sizes[3]), (4, sizes[7]))), Layout(((8, 5),)))
    support, query = tasks.rows(layouts)
    assert len(support.labels) == 4 * (sizes[3] + sizes[7]) < tasks.support.mask.size
    assert support.features["point"].shape == (len(support.labels), 3)
    plain, plain_query = tasks.rows()
    assert plain.layout.groups == ((8, sizes[7]),)
    for found, expected in ((support, plain), (query, plain_query)):
        assert examples_of(found, slice(None)) == examples_of(expected, slice(None))


@few_examples
@given(seed=seeds, count=st.integers(1, 9), size=st.integers(1, 11))
def test_evaluation_batches_hold_all_tasks_in_order_each_counted_once(seed, count, size):
    slow = draw_tasks(np.random.default_rng(seed), count)
    batched = in_batches(padded(slow), size)
    size = min(size, count)
    assert batched.weights.shape == (-(-count // size), size)
    found = [task for one in range(len(batched.weights)) for task in unpadded(batched.take(one))]
    weights = np.asarray(batched.weights).ravel()
    assert found[:count] == slow
    assert (weights[:count] == 1).all()
    # The last batch is filled with the first task, which then does not count.
    assert found[count:] == slow[:1] * (len(found) - count)
    assert not weights[count:].any()


@few_examples
@given(seed=seeds)
def test_drawing_anew_keeps_the_examples_and_sizes_of_each_task(seed):
    slow = eight(seed)
    before = padded(slow)
    after = redraw_program()(before, jax.random.key(seed))
    assert jax.tree.map(jax.typeof, after) == jax.tree.map(jax.typeof, before)
    for new, old in zip(unpadded(after), slow, strict=True):
        assert new.feature == old.feature
        assert len(new.support) == len(old.support)
        assert sorted(new.support + new.query) == sorted(old.support + old.query)
    for new, old in ((after.support, before.support), (after.query, before.query)):
        # Examples come first, behind them stands padding.
        np.testing.assert_array_equal(new.mask, old.mask)
        assert not np.asarray(new.labels)[~np.asarray(new.mask)].any()


def test_drawing_anew_keeps_whole_numbers():
    before = padded(eight(), np.int32)
    after = jax.eval_shape(redrawn, before, jax.random.key(0))
    assert after.query.labels.dtype == after.support.labels.dtype == np.int32


def test_every_example_of_a_task_comes_to_be_asked_equally_often():
    slow = draw_tasks(np.random.default_rng(3), 4)
    before = padded(slow)
    draws = jax.jit(jax.vmap(redrawn, (None, 0)))(before, jax.random.split(jax.random.key(0), 2000))
    for index, task in enumerate(slow):
        asked = len(task.query)
        shown = np.asarray(draws.query.features["number"])[:, index, :asked]
        everything = [number for number, _, _ in task.support + task.query]
        shares = np.array([(shown == number).any(axis=1).mean() for number in everything])
        # The standard deviation of a share is at most 0.011.
        np.testing.assert_allclose(shares, asked / len(everything), atol=0.05)


def test_full_sets_without_any_padding_are_drawn_anew_too():
    slow = [eight()[-1]] * 2
    before = padded(slow)
    assert before.support.mask.all()
    assert before.query.mask.all()
    after = unpadded(redraw_program()(before, jax.random.key(1)))
    for new, old in zip(after, slow, strict=True):
        assert sorted(new.support + new.query) == sorted(old.support + old.query)
    assert after[0] != after[1]


def test_one_task_with_several_supports():
    slow = eight()[::-1]
    masks = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    found = unpadded(with_supports(padded(slow), masks))
    first = slow[0]
    supports = [first.support, first.support[1:2], []]
    assert found == [SlowTask(first.feature, support, first.query) for support in supports]


def test_prefixes():
    found = prefix_masks(3, 5, [0, 2, 3, 9])
    assert found.astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [([1, 0, 1], [[1, 0, 1], [0, 0, 1], [1, 0, 0]]), ([0, 0], [[0, 0]])],
)
def test_each_example_is_left_out_once(mask, expected):
    found = left_out_masks(np.array(mask, bool))
    assert found.dtype == bool
    assert found.astype(int).tolist() == expected
