import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.evaluation import recommendation
from kapl_jax.evaluation.recommendation import METRIC_NAMES

few_examples = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
# Compiled once a shape: the tests below vary how many items are masked, not how many there are.
user_metrics = jax.jit(recommendation.user_metrics)


def random_users(rng, users=4, items=6, levels=4):
    """Predictions and ratings with ties, and a mask with at least one item a user."""
    predictions = rng.integers(0, levels, (users, items)) / levels - 0.5  # below padding too
    ratings = rng.integers(0, 5, (users, items))
    mask = rng.random((users, items)) < rng.random((users, 1))
    mask[np.arange(users), rng.integers(0, items, users)] = True
    return predictions.astype(np.float32), ratings.astype(np.float32), mask


def brute_force(predictions, ratings, mask):
    """Each metric of each user, nDCG as the mean over all orders that agree with predictions."""
    found = {name: [] for name in METRIC_NAMES}
    for prediction, rating, kept in zip(predictions, ratings, mask, strict=True):
        p, r = prediction[kept].astype(float), rating[kept].astype(float)
        found["mse"].append(np.mean((p - r) ** 2))
        found["mae"].append(np.mean(np.abs(p - r)))
        for k in (3, 5):
            ideal = dcg(sorted(r, reverse=True), k)
            orders = [
                order
                for order in itertools.permutations(range(len(p)))
                if all(p[a] >= p[b] for a, b in itertools.pairwise(order))
            ]
            reached = np.mean([dcg(r[list(order)], k) for order in orders])
            found[f"ndcg_at_{k}"].append(reached / ideal if ideal else 1.0)
    return found


def dcg(ratings, k):
    return sum((2**r - 1) / math.log2(index + 1) for index, r in enumerate(ratings[:k], start=1))


def assert_same(found, expected, rtol=2e-5):
    assert set(found) == set(METRIC_NAMES)
    for name in METRIC_NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-6, err_msg=name)


@few_examples
@given(seed=seeds, levels=st.sampled_from([1, 2, 4, 1000]))
def test_metrics_are_those_of_all_orders(seed, levels):
    users = random_users(np.random.default_rng(seed), levels=levels)
    expected = brute_force(*users)
    assert_same(user_metrics(*users), expected)


@few_examples
@given(seed=seeds, levels=st.sampled_from([1, 3, 1000]))
def test_ndcg_is_that_of_scikit_learn(seed, levels):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    predictions, ratings, mask = random_users(rng, items=40, levels=levels)
    found = user_metrics(predictions, ratings, mask)
    for user in range(len(mask)):
        kept = mask[user]
        if kept.sum() < 2 or not ratings[user, kept].any():
            continue  # scikit-learn wants two documents, and gives 0 where there is no gain
        gains = 2.0 ** ratings[user, kept] - 1
        for k in (3, 5):
            expected = metrics.ndcg_score([gains], [predictions[user, kept]], k=k)
            np.testing.assert_allclose(found[f"ndcg_at_{k}"][user], expected, rtol=2e-5)


@few_examples
@given(seed=seeds, junk=st.sampled_from([0.0, 9.0, np.nan, np.inf]))
def test_padding_changes_nothing(seed, junk):
    predictions, ratings, mask = random_users(np.random.default_rng(seed))

    def padded(array, value):
        wide = np.pad(array, ((0, 2), (0, 3)), constant_values=value)
        wide[: len(mask), : mask.shape[1]] = np.where(mask, array, value)
        return wide

    wide = padded(predictions, junk), padded(ratings, junk), padded(mask, False)
    plain = user_metrics(predictions, ratings, mask)
    found = user_metrics(*wide)
    assert_same({name: values[: len(mask)] for name, values in found.items()}, plain, rtol=1e-5)


@few_examples
@given(seed=seeds)
def test_order_of_the_items_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    users = random_users(rng)
    order = rng.permutation(users[0].shape[1])
    assert_same(user_metrics(*(array[:, order] for array in users)), user_metrics(*users))


@pytest.mark.parametrize("ratings", [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 3.0, 2.0]])
def test_a_prediction_that_is_not_a_number_is_seen(ratings):
    predictions = np.array([[0.1, np.nan, 0.3, 0.2]], np.float32)
    found = user_metrics(predictions, np.array([ratings], np.float32), np.ones((1, 4), bool))
    assert all(np.isnan(values[0]) for values in found.values())


def test_a_user_with_nothing_to_gain_counts_one():
    found = user_metrics(np.eye(3, dtype=np.float32), np.zeros((3, 3)), np.ones((3, 3), bool))
    assert (np.asarray(found["ndcg_at_3"]) == 1).all()


def test_perfect_order_is_one_and_a_constant_gains_nothing():
    ratings = np.array([[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]], np.float32)
    mask = np.ones_like(ratings, bool)
    perfect = user_metrics(10 * ratings, ratings, mask)["ndcg_at_5"]
    assert float(perfect[0]) == pytest.approx(1, rel=1e-6)
    constant = np.zeros_like(ratings)
    forth = float(user_metrics(constant, ratings, mask)["ndcg_at_5"][0])
    back = float(user_metrics(constant, ratings[:, ::-1], mask)["ndcg_at_5"][0])
    assert forth == pytest.approx(back, rel=1e-6)
    assert forth < 0.7


def test_a_population_is_mapped_and_compiled():
    rng = np.random.default_rng(1)
    _, ratings, mask = random_users(rng, users=5, items=7)
    population = rng.normal(size=(3, 5, 7)).astype(np.float32)
    mapped = jax.jit(jax.vmap(recommendation.user_metrics, in_axes=(0, None, None)))
    found = mapped(jnp.asarray(population), ratings, mask)
    for index, predictions in enumerate(population):
        alone = user_metrics(predictions, ratings, mask)
        assert_same({name: values[index] for name, values in found.items()}, alone, rtol=1e-5)
