"""The spaces of operations and of networks, as the searchers see them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.space import ModulationSpace
from kapl_jax.methods.coldnas.supernet import discretisations
from kapl_jax.modulation.structures import preset
from kapl_jax.search.searchers import REGISTRY, SearchContext

OPERATIONS_SPACE, NETWORKS = ModulationSpace(2), NetworkSpace(2, hidden=2)
SPACES = [OPERATIONS_SPACE, ModulationSpace(4), NETWORKS, NetworkSpace()]
every_space = pytest.mark.parametrize("space", SPACES, ids=str)
# Networks have neither a size, by which progressive search grows, nor a relaxation.
SEARCHES = [
    *[(name, OPERATIONS_SPACE) for name in sorted(REGISTRY)],
    *[(name, NETWORKS) for name in ("random", "evolutionary", "one_shot", "decoupled")],
]
every_search = pytest.mark.parametrize(("name", "space"), SEARCHES)


def total(candidates):
    return candidates.reshape(len(candidates), -1).sum(axis=1).astype(float)


def searcher(name, space):
    def relaxation():
        return discretisations(np.arange(8.0).reshape(1, 2, 4))

    return REGISTRY[name](SearchContext(space, 5, total, relaxation, None, 64))


def search(name, space, rounds=4, count=9, seed=0):
    one = searcher(name, space)
    state, asked = one.init(), []
    for number in range(rounds):
        found = one.ask(state, np.random.default_rng([seed, number]), count)
        scores = total(found) if len(found) else np.empty(0)
        # Some diverge.
        state = one.tell(state, found, np.where(np.arange(len(found)) == 2, -np.inf, scores))
        asked.append(found)
    return asked


@every_search
def test_no_searcher_asks_anything_twice_or_invalid(name, space):
    asked = np.concatenate(search(name, space))
    assert len(asked) == 36
    assert space.is_valid(asked).all()
    assert asked.dtype == space.sample(np.random.default_rng(0), 1).dtype
    assert len({form.tobytes() for form in space.canonical(asked)}) == len(asked)


@every_search
def test_every_searcher_asks_the_same_when_replayed(name, space):
    first, again = (np.concatenate(search(name, space)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_space_of_sixteen_structures_is_exhausted(name):
    context = SearchContext(
        ModulationSpace(1),
        5,
        total,
        lambda: discretisations(np.arange(4.0).reshape(1, 1, 4)),
        None,
        64,
    )
    one = REGISTRY[name](context)
    state, asked = one.init(), []
    for number in range(8):
        asked.append(one.ask(state, np.random.default_rng(number), 3))
        state = one.tell(state, asked[-1], np.zeros(len(asked[-1])))
    assert len(asked[-1]) == 0
    assert len(np.unique(np.concatenate([a for a in asked if len(a)]), axis=0)) == 16


def test_differentiable_search_asks_the_discretisations_first():
    asked = search("differentiable", OPERATIONS_SPACE, rounds=1)[0]
    np.testing.assert_array_equal(asked, discretisations(np.arange(8.0).reshape(1, 2, 4)))


@every_space
def test_what_is_drawn_has_shape_and_type_of_the_space_and_changes_nothing_given(space):
    rng = np.random.default_rng(0)
    samples = space.sample(rng, 50)
    first, second = samples[0].copy(), samples[1].copy()
    made = np.stack(
        [space.mutate(rng, first) for _ in range(25)]
        + [space.cross_over(rng, first, second) for _ in range(25)]
    )
    for candidates in (samples, made, space.canonical(samples)):
        assert (candidates.shape, candidates.dtype) == (samples.shape, samples.dtype)
        assert space.is_valid(candidates).all()
    np.testing.assert_array_equal(first, samples[0])
    np.testing.assert_array_equal(second, samples[1])
    features = space.features(samples)
    assert features.dtype == np.float32
    assert (features.ndim, len(features)) == (2, 50)


@every_space
def test_randomness_comes_from_the_generator(space):
    def drawn(seed):
        rng = np.random.default_rng(seed)
        first, second = space.sample(rng, 2)
        return space.mutate(rng, first), space.cross_over(rng, first, second)

    for one, other in zip(drawn(0), drawn(0), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(drawn(0), drawn(1))


@every_space
def test_crossing_takes_each_position_whole_from_one_of_both(space):
    rng = np.random.default_rng(0)
    samples = space.sample(rng, 200)
    differing = (samples[::2] != samples[1::2]).any(axis=2).all(axis=1)
    index = 2 * np.flatnonzero(differing)[0]
    first, second = samples[index : index + 2]
    seen = set()
    for _ in range(200):
        child = space.cross_over(rng, first, second)
        origins = tuple(np.array_equal(c, f) for c, f in zip(child, first, strict=True))
        for row, own, mine in zip(child, second, origins, strict=True):
            assert mine or np.array_equal(row, own)
        seen.add(origins)
    assert len(seen) == 2**space.positions


@every_space
def test_canonical_forms_are_their_own(space):
    forms = space.canonical(space.sample(np.random.default_rng(0), 30))
    np.testing.assert_array_equal(space.canonical(forms), forms)


def test_samples_have_every_number_of_operations_equally_often():
    samples = ModulationSpace(4).sample(np.random.default_rng(0), 17_000)
    counts = np.bincount(ModulationSpace(4).size(samples), minlength=17)
    # 1000 expected, standard deviation 31.
    assert counts.min() > 850
    assert counts.max() < 1150
    shares = samples.mean(axis=0)
    np.testing.assert_allclose(shares, 0.5, atol=0.03)


def test_mutation_flips_one_or_two_operations_anywhere():
    space, rng = ModulationSpace(4), np.random.default_rng(0)
    parent = space.sample(rng, 1)[0]
    flips = np.stack([space.mutate(rng, parent) ^ parent for _ in range(4000)])
    assert 1.3 < space.size(flips).mean() < 1.7
    assert flips.any(axis=0).all()


def test_seeds_are_all_structures_of_one_operation():
    space = ModulationSpace(3)
    seeds = space.seeds(np.random.default_rng(0), 100)
    assert len(np.unique(seeds, axis=0)) == len(seeds) == 12
    assert (space.size(seeds) == 1).all()
    assert len(space.seeds(np.random.default_rng(0), 5)) == 5
    assert not np.array_equal(seeds, space.seeds(np.random.default_rng(1), 100))


def test_growing_adds_one_operation_until_all_are_there():
    space, rng = ModulationSpace(2), np.random.default_rng(0)
    structure = np.zeros((2, 4), bool)
    for size in range(8):
        grown = space.grow(rng, structure)
        assert space.size(structure[None])[0] == size
        assert (grown & structure == structure).all()
        structure = grown
    np.testing.assert_array_equal(space.grow(rng, structure), np.ones((2, 4), bool))


def test_features_are_cells_and_their_sums():
    structure = np.array([[1, 0, 0, 1], [0, 0, 1, 1]], bool)
    expected = [1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2]
    np.testing.assert_array_equal(ModulationSpace(2).features(structure[None])[0], expected)


def test_description():
    assert ModulationSpace(2).describe(np.array([[1, 0, 0, 1], [0] * 4], bool)) == "max shift; -"


def test_what_is_recorded_is_read_again():
    rng = np.random.default_rng(0)
    for space in (ModulationSpace(3), NetworkSpace(3, hidden=2)):
        for candidate in space.sample(rng, 5):
            record = json.loads(json.dumps(space.record(candidate)))
            found = space.read(record)
            np.testing.assert_array_equal(found, candidate)
            assert found.dtype == candidate.dtype
            assert record["formula"] == space.describe(candidate)


@every_space
def test_a_record_of_other_positions_is_refused(space):
    record = space.record(space.sample(np.random.default_rng(0), 1)[0])
    with pytest.raises(ValueError, match="structure of shape"):
        space.read({**record, "structure": record["structure"][:1]})


def test_a_record_names_the_presets_that_are_the_same():
    space = ModulationSpace(3)
    for name, one in space.presets().items():
        np.testing.assert_array_equal(one, preset(name, 3))
        assert name in space.record(one)["equivalent_to"]
    record = space.record(np.eye(3, 4, dtype=bool))
    assert record["equivalent_to"] == []
    assert len(record["expressions"]) == len(record["latex"].split(r"\\")) == 3


def test_presets_of_networks_are_those_without_bounds():
    space = NetworkSpace(3, hidden=2)
    known = ModulationSpace(3).presets()
    bounded = {name for name, one in known.items() if one[:, :2].any()}
    assert set(space.presets()) == set(known) - bounded
    for name, weights in space.presets().items():
        np.testing.assert_array_equal(weights, space.of_operations(known[name]))


def test_evolution_starts_from_single_operations_then_any():
    space = ModulationSpace(2)
    first = space.start(np.random.default_rng(0), 12)
    assert (space.size(first[:8]) == 1).all()
    assert len(np.unique(first[:8], axis=0)) == 8
    assert first.shape == (12, 2, 4)
    assert space.start(np.random.default_rng(0), 3).shape == (3, 2, 4)
    assert (
        NETWORKS.start(np.random.default_rng(0), 3).shape
        == NETWORKS.sample(np.random.default_rng(0), 3).shape
    )


def test_networks_are_not_written_by_hand():
    with pytest.raises(UserError, match="--structure: found 'shift; -', expected one of") as caught:
        NETWORKS.parse("shift; -", "--structure")
    assert "\n" not in str(caught.value)
