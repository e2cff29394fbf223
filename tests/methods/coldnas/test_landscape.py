from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from kapl_jax.methods.coldnas.landscape import landscape_results, landscape_structures
from kapl_jax.methods.coldnas.space import ModulationSpace

SPACE = ModulationSpace(3)
COUNT = 30


def events(seed=0, supernets=2):
    """Return events as the record holds them, with ties among the scores."""
    rng = np.random.default_rng(seed)
    structures = landscape_structures(SPACE, COUNT, seed)
    trained = [
        {"candidate": one.astype(int).tolist(), "score": -float(rng.integers(1, 12)) / 10}
        for one in structures
    ]
    nets = [
        {
            "alpha": rng.normal(size=(3, 4)).tolist(),
            "inherited": (-rng.integers(1, 9, COUNT) / 10).tolist(),
        }
        for _ in range(supernets)
    ]
    return structures, trained, nets


def slow_kendall(first, second):
    """Tau-b: concordant less discordant pairs, by the pairs that are not tied in either."""
    agreeing, untied = 0, [0, 0]
    for i, j in itertools.combinations(range(len(first)), 2):
        a, b = np.sign(first[i] - first[j]), np.sign(second[i] - second[j])
        agreeing += a * b
        untied[0] += a != 0
        untied[1] += b != 0
    return agreeing / math.sqrt(untied[0] * untied[1])


def slow_likelihood(structure, alpha):
    """Log of the chance that exactly these operations come up."""
    chance = 1.0
    for present, one in zip(structure.flat, np.ravel(alpha), strict=True):
        gate = 1 / (1 + math.exp(-one))
        chance *= gate if present else 1 - gate
    return math.log(chance)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_kendalls_tau(seed):
    structures, trained, nets = events(seed)
    truth = [event["score"] for event in trained]
    inherited = np.mean([net["inherited"] for net in nets], axis=0)
    likelihood = [np.mean([slow_likelihood(s, net["alpha"]) for net in nets]) for s in structures]
    agreement = landscape_results("mse", trained, nets)["agreement"]
    assert agreement["inherited_weights"]["kendall_tau"] == pytest.approx(
        slow_kendall(inherited, truth)
    )
    assert agreement["alpha"]["kendall_tau"] == pytest.approx(slow_kendall(likelihood, truth))


@pytest.mark.parametrize(("objective", "factor"), [("mse", -1), ("ndcg_at_3", 1)])
def test_points_hold_the_metric_itself(objective, factor):
    structures, trained, nets = events()
    found = landscape_results(objective, trained, nets)
    assert found["metric"] == objective
    assert len(found["points"]) == COUNT
    for index, point in enumerate(found["points"]):
        assert point["structure"] == structures[index].tolist()
        assert point["operations"] == structures[index].sum()
        assert point["truth"] == factor * trained[index]["score"]
        inherited = np.mean([net["inherited"][index] for net in nets])
        likelihood = np.mean([slow_likelihood(structures[index], net["alpha"]) for net in nets])
        assert point["proxies"] == pytest.approx(
            {"inherited_weights": factor * inherited, "alpha": likelihood}
        )


def test_perfect_and_opposite_agreement():
    _, trained, nets = events(supernets=1)
    for index, event in enumerate(trained):
        event["score"] = float(index)
    nets[0]["inherited"] = [2.0 * index for index in range(COUNT)]
    tau = landscape_results("mae", trained, nets)["agreement"]["inherited_weights"]
    assert tau["kendall_tau"] == pytest.approx(1)
    assert tau["p_value"] < 1e-9
    nets[0]["inherited"] = nets[0]["inherited"][::-1]
    tau = landscape_results("mae", trained, nets)["agreement"]["inherited_weights"]
    assert tau["kendall_tau"] == pytest.approx(-1)


def test_what_diverged_does_not_count():
    _, trained, nets = events(supernets=1)
    trained[3]["score"] = None
    nets[0]["inherited"][7] = None
    kept = [index for index in range(COUNT) if index not in (3, 7)]
    expected = slow_kendall(
        [nets[0]["inherited"][index] for index in kept], [trained[index]["score"] for index in kept]
    )
    found = landscape_results("mse", trained, nets)
    tau = found["agreement"]["inherited_weights"]["kendall_tau"]
    assert tau == pytest.approx(expected)
    assert len(found["points"]) == COUNT


def test_structures_are_distinct_follow_from_the_seed_and_end_with_the_space():
    structures = landscape_structures(SPACE, 200, seed=3)
    assert structures.shape == (200, 3, 4)
    assert len(np.unique(structures, axis=0)) == 200
    np.testing.assert_array_equal(landscape_structures(SPACE, 200, seed=3), structures)
    assert not np.array_equal(landscape_structures(SPACE, 200, seed=4), structures)
    assert len(landscape_structures(ModulationSpace(1), 100, seed=0)) == 16
