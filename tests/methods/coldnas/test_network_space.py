from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.modulation.networks import network_size
from kapl_jax.modulation.structures import preset
from tests.modulation.slow import slow_modulate, slow_network

SPACE = NetworkSpace(3, hidden=3)


def values(weights, seed=0):
    """Return what the networks do to random values, position by position."""
    rng = np.random.default_rng(seed)
    slow = slow_network(weights, SPACE.hidden)
    return np.array([slow(c, rng.normal(size=9), rng.normal(size=(4, 9))) for c in range(3)])


def rewritten(weights, seed):
    """Return the same functions with hidden units in other order and of other sign."""
    rng = np.random.default_rng(seed)
    result = weights.copy()
    for row in result:
        matrix = row[6:24].reshape(3, 6)
        bias, out = row[24:27], row[27:]
        order, signs = rng.permutation(3), rng.choice([-1, 1], 3).astype(row.dtype)
        matrix[:] = (signs[:, None] * matrix)[order]
        bias[:], out[:] = (signs * bias)[order], (signs * out)[order]
    return result


def random_weights(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3, network_size(3))).astype(np.float32)


def test_order_and_sign_of_units_change_only_how_a_function_is_written():
    weights = random_weights()
    others = np.stack([rewritten(one, seed) for seed, one in enumerate(weights)])
    assert not (others == weights).all(axis=(1, 2)).any()
    np.testing.assert_allclose(values(others[0]), values(weights[0]), rtol=1e-9)
    np.testing.assert_array_equal(SPACE.canonical(others), SPACE.canonical(weights))
    np.testing.assert_allclose(
        SPACE.features(others), SPACE.features(weights), rtol=1e-4, atol=1e-5
    )


def test_canonical_forms_do_the_same():
    weights = random_weights()
    forms = SPACE.canonical(weights)
    for one, form in zip(weights, forms, strict=True):
        np.testing.assert_allclose(values(form), values(one), rtol=1e-9)
        outgoing = form[:, -3:]
        assert (outgoing >= 0).all()
        assert (np.diff(outgoing, axis=1) >= 0).all()


def test_different_functions_have_different_forms():
    weights = random_weights()
    forms = SPACE.canonical(np.concatenate([weights, -weights, weights[:, ::-1]]))
    assert len(np.unique(forms.reshape(60, -1), axis=0)) == 60


def test_features_are_values_of_the_function():
    """They are those of the slow network, were its six inputs free."""
    weights = random_weights(2)
    probes = np.random.default_rng(0).normal(size=(24, 6))
    expected = [
        [
            row[:6] @ z
            + sum(
                row[27 + u] * np.tanh(row[6 + 6 * u : 12 + 6 * u] @ z + row[24 + u])
                for u in range(3)
            )
            for row in one
            for z in probes
        ]
        for one in weights.astype(float)
    ]
    np.testing.assert_allclose(SPACE.features(weights), expected, rtol=1e-4, atol=1e-5)


def test_the_identity_leaves_values_untouched():
    identity = SPACE.identity
    assert (identity.shape, identity.dtype) == ((3, network_size(3)), np.float32)
    rng = np.random.default_rng(0)
    x = rng.normal(size=9)
    np.testing.assert_array_equal(slow_network(identity, 3)(1, x, rng.normal(size=(4, 9))), x)


@pytest.mark.parametrize("seed", range(4))
def test_structures_of_scale_and_shift_are_networks(seed):
    rng = np.random.default_rng(seed)
    structure = rng.random((3, 4)) < 0.5
    structure[:, :2] = False
    weights = SPACE.of_operations(structure)
    for position in range(3):
        x, phi = rng.normal(size=5), rng.normal(size=(4, 5))
        np.testing.assert_allclose(
            slow_network(weights, 3)(position, x, phi),
            slow_modulate(structure)(position, x, phi),
            rtol=1e-9,
        )
    assert SPACE.is_valid(weights[None]).all()


@pytest.mark.parametrize("operation", [0, 1])
def test_a_bound_is_no_network(operation):
    structure = preset("film", 3)
    structure[1, operation] = True
    with pytest.raises(ValueError, match="only scale and shift"):
        SPACE.of_operations(structure)


def test_samples_lie_around_the_identity_and_leave_some_positions_alone():
    samples = SPACE.sample(np.random.default_rng(0), 2000)
    untouched = (samples == SPACE.identity).all(axis=2)
    assert 0.37 < untouched.mean() < 0.43
    assert 0.47 < (samples - SPACE.identity)[~untouched].std() < 0.53


def test_mutation_moves_one_position_or_all_or_resets_one():
    rng = np.random.default_rng(0)
    parent = random_weights(1)[0]
    kinds = {"one": 0, "all": 0, "reset": 0}
    for _ in range(1000):
        child = SPACE.mutate(rng, parent)
        changed = (child != parent).any(axis=1)
        reset = (child == SPACE.identity).all(axis=1)
        kinds["reset" if reset.any() else "all" if changed.all() else "one"] += 1
        assert changed.sum() in (1, 3)
        assert np.abs(child - parent)[changed & ~reset].max(initial=0) < 1.2
    # Shares 0.8 * 0.7, 0.8 * 0.3 and 0.2; standard deviations below 16.
    assert abs(kinds["one"] - 560) < 64
    assert abs(kinds["all"] - 240) < 64
    assert abs(kinds["reset"] - 200) < 64


def test_weights_that_are_not_finite_are_invalid():
    weights = random_weights(3)
    weights[1, 2, 4], weights[2, 0, -1] = np.nan, np.inf
    assert SPACE.is_valid(weights).tolist() == [True, False, False]


def test_description_shows_slopes_at_the_origin():
    structure = np.zeros((3, 4), bool)
    structure[1, 3] = True
    text = SPACE.describe(SPACE.of_operations(structure))
    assert text == "-; x:+1.0 φ1:+0.0 φ2:+0.0 φ3-1:+0.0 φ4:+1.0 x(φ3-1):+0.0; -"
    weights = random_weights(1)[0]
    step = 1e-5
    slopes = []
    for row in weights.astype(float):

        def g(z, row=row):
            inner = row[6:24].reshape(3, 6) @ z + row[24:27]
            return row[:6] @ z + row[27:] @ np.tanh(inner)

        slopes.append([(g(step * e) - g(-step * e)) / (2 * step) for e in np.eye(6)])
    numbers = [
        float(part.rsplit(":", 1)[1]) for part in SPACE.describe(weights).replace(";", "").split()
    ]
    np.testing.assert_allclose(numbers, np.ravel(slopes), atol=0.051)
