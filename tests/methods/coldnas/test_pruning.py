from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.methods.coldnas.pruning import prune, without
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.methods.coldnas.stages import pruned
from kapl_jax.methods.contenders import Contender

C = 3


class Additive:
    """Scores that are sums over operations, and what was asked of them."""

    def __init__(self, worth: np.ndarray, constant: float = -2.0) -> None:
        self.worth = worth
        self.constant = constant
        self.rounds: list[tuple[int, np.ndarray]] = []

    def __call__(self, number, structures):
        stacked = np.stack(structures)
        self.rounds.append((number, stacked))
        return self.constant + (stacked * self.worth).sum(axis=(1, 2))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_only_useful_operations_are_kept(seed):
    """Whatever the rest costs or gains, as long as it is little beside what is to be kept."""
    rng = np.random.default_rng(seed)
    structure = rng.random((C, 4)) < rng.random()
    structure[0, rng.integers(4)] = True
    useful = structure & (rng.random((C, 4)) < 0.5)
    useful[tuple(np.argwhere(structure)[0])] = True
    worth = np.where(useful, rng.uniform(1, 2, (C, 4)), rng.uniform(-1e-3, 1e-3, (C, 4)))
    train = Additive(worth)
    pruned = prune(structure, train, keep=0.97)
    np.testing.assert_array_equal(pruned.structure, useful)
    np.testing.assert_allclose(pruned.importance, np.where(structure, worth, 0), atol=1e-9)
    # The chain goes from the whole to what is kept, and to nothing.
    np.testing.assert_array_equal(pruned.chain[0], structure)
    np.testing.assert_array_equal(pruned.chain[-2], useful)
    assert (np.diff(pruned.chain.sum(axis=(1, 2))) < 0).all()
    assert not pruned.chain[-1].any()
    np.testing.assert_allclose(pruned.scores, -2 + (pruned.chain * worth).sum(axis=(1, 2)))
    numbers = [number for number, _ in train.rounds]
    assert len(set(numbers)) == len(numbers)


def test_without_any_gain_nothing_is_kept():
    structure = np.ones((C, 4), bool)
    pruned = prune(structure, Additive(np.full((C, 4), -0.1)), keep=0.9)
    assert not pruned.structure.any()


@pytest.mark.parametrize(("keep", "count"), [(0.0, 0), (0.5, 2), (0.51, 3), (0.75, 3), (1.0, 4)])
def test_as_much_is_kept_as_is_asked(keep, count):
    structure = np.zeros((C, 4), bool)
    structure[1] = True
    # Each of four is worth a quarter; powers of two, so that sums are exact.
    pruned = prune(structure, Additive(np.full((C, 4), 0.25)), keep)
    assert pruned.structure.sum() == count
    assert not (pruned.structure & ~structure).any()


def test_a_structure_without_operations_stays():
    pruned = prune(np.zeros((C, 4), bool), Additive(np.ones((C, 4))), keep=0.9)
    assert not pruned.structure.any()
    assert pruned.chain.shape == (1, C, 4)


def test_leaving_out_changes_a_copy():
    structure = np.ones((C, 4), bool)
    smaller = without(structure, np.array([[0, 1], [2, 3]]))
    assert structure.all()
    assert np.argwhere(~smaller).tolist() == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(without(structure, np.empty((0, 2), int)), structure)


def test_an_operation_that_hides_the_others_goes_first():
    """With it nothing can be told apart; one pass would keep what is of no worth."""
    worth = np.zeros((C, 4))
    worth[0, 2:] = 1.0

    def train(number, structures):
        scores = (np.stack(structures) * worth).sum(axis=(1, 2))
        return np.where([one[2, 1] for one in structures], 0.1 * scores, scores)

    pruned = prune(np.ones((C, 4), bool), train, keep=0.9)
    np.testing.assert_array_equal(pruned.structure, worth > 0)


def test_what_makes_the_whole_diverge_is_taken_away():
    def train(number, structures):
        scores = np.stack(structures).sum(axis=(1, 2)).astype(float)
        return np.where([one.all() for one in structures], -np.inf, scores)

    structure = np.ones((C, 4), bool)
    assert prune(structure, train, keep=1.0).structure.sum() == structure.size - 1


@pytest.mark.parametrize("diverged", ["empty", "all"])
def test_without_a_floor_nothing_is_taken_away(diverged):
    def train(number, structures):
        scores = np.stack(structures).sum(axis=(1, 2)).astype(float)
        return np.where((scores == 0) | (diverged == "all"), -np.inf, scores)

    structure = np.ones((C, 4), bool)
    np.testing.assert_array_equal(prune(structure, train, keep=0.9).structure, structure)


def test_of_several_given_structures_none_is_pruned():
    """Which of them is the best is not known before they are trained to the end."""
    pipeline = SimpleNamespace(settings=ColdNASSettings(structure="film|scale"))
    given = [Contender(name, np.ones((4, 4), bool), True) for name in ("film", "scale")]
    assert pruned(pipeline, given) is None
