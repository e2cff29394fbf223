from itertools import product

import numpy as np
import pytest

from kapl_jax.bilinear.algebra import canonical_form, is_degenerate
from kapl_jax.bilinear.presets import preset
from kapl_jax.bilinear.structures import parse_structure
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.space import BlockSpace
from kapl_jax.search.space import GrowingSpace
from tests.bilinear.equivalence import transform

BLOCKS = pytest.mark.parametrize("num_blocks", [2, 3, 4, 5])


def test_it_is_a_growing_space():
    space: GrowingSpace = BlockSpace()
    assert space.size(preset("complex")[None]).tolist() == [8]


@BLOCKS
def test_samples_are_valid_and_repeatable(num_blocks):
    space = BlockSpace(num_blocks)
    drawn = space.sample(np.random.default_rng(0), 40)
    assert drawn.dtype == np.int8
    assert drawn.shape == (40, num_blocks, num_blocks)
    assert space.is_valid(drawn).all()
    assert (space.sample(np.random.default_rng(0), 40) == drawn).all()
    assert (space.sample(np.random.default_rng(1), 40) != drawn).any()


def test_samples_respect_the_largest_size():
    space = BlockSpace(num_blocks=4, max_nonzero=8)
    sizes = space.size(space.sample(np.random.default_rng(0), 60))
    assert sizes.min() >= 4
    assert sizes.max() == 8


def test_no_sample():
    assert BlockSpace().sample(np.random.default_rng(0), 0).shape == (0, 4, 4)


def test_sizes_are_uniform_and_structures_uniform_given_the_size():
    """All structures of two blocks are few enough to count."""
    space = BlockSpace(num_blocks=2)
    everything = np.array(list(product(range(-2, 3), repeat=4)), np.int8).reshape(-1, 2, 2)
    valid = everything[space.is_valid(everything)]
    drawn = space.sample(np.random.default_rng(0), 30_000)
    sizes = space.size(drawn)
    for size in (2, 3, 4):
        members = valid[space.size(valid) == size]
        found, counts = np.unique(drawn[sizes == size], axis=0, return_counts=True)
        assert len(found) == len(members)
        assert abs(counts.sum() - 10_000) < 500
        expected = counts.sum() / len(members)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_validity():
    space = BlockSpace(num_blocks=2, max_nonzero=3)
    texts = {"1 0; 0 2": True, "1 2; 0 1": True, "1 2; 1 2": False, "1 0; 0 1": False}
    texts |= {"1 2; -1 2": False, "0 0; 0 0": False}  # the first of these is only too large
    structures = np.stack([parse_structure(text) for text in texts])
    assert space.is_valid(structures).tolist() == list(texts.values())


def test_mutation_changes_each_entry_with_the_stated_probability():
    space = BlockSpace()
    rng = np.random.default_rng(0)
    parent = preset("distmult")
    children = np.stack([space.mutate(rng, parent) for _ in range(4000)])
    assert children.dtype == np.int8
    assert set(np.unique(children)) == set(range(-4, 5))
    # Half of the redrawn entries become 0, the others one of the eight signed blocks.
    empty = parent == 0
    changed = children != parent
    assert changed[:, empty].mean() == pytest.approx(2 / 16 / 2, rel=0.05)
    assert changed[:, ~empty].mean() == pytest.approx(2 / 16 * (1 - 1 / 16), rel=0.05)
    assert (children == 0)[:, ~empty].mean() == pytest.approx(2 / 16 / 2, rel=0.1)
    assert (parent == preset("distmult")).all()


def test_cross_over_takes_each_entry_from_either_parent():
    space = BlockSpace()
    rng = np.random.default_rng(0)
    first, second = preset("quate"), -preset("quate")
    children = np.stack([space.cross_over(rng, first, second) for _ in range(500)])
    assert children.dtype == np.int8
    assert ((children == first) | (children == second)).all()
    share = (children == first).mean(axis=0)
    assert np.abs(share - 0.5).max() < 0.12


@pytest.mark.parametrize(("num_blocks", "classes"), [(2, 2), (3, 3), (4, 5), (5, 7)])
def test_seeds_are_all_classes_of_the_smallest_size(num_blocks, classes):
    space = BlockSpace(num_blocks)
    seeds = space.seeds(np.random.default_rng(0), 100)
    assert len(seeds) == classes
    assert len(np.unique(space.canonical(seeds), axis=0)) == classes
    assert (space.size(seeds) == num_blocks).all()
    assert space.is_valid(seeds).all()


def test_seeds_of_three_blocks_cover_every_valid_structure_of_that_size():
    space = BlockSpace(num_blocks=3)
    seeds = {seed.tobytes() for seed in space.canonical(space.seeds(np.random.default_rng(0), 9))}
    drawn = BlockSpace(num_blocks=3, max_nonzero=3).sample(np.random.default_rng(0), 200)
    assert {structure.tobytes() for structure in space.canonical(drawn)} == seeds


def test_few_seeds_are_a_random_choice():
    space = BlockSpace()
    chosen = {space.seeds(np.random.default_rng(k), 1).tobytes() for k in range(40)}
    assert len(chosen) == 5


@BLOCKS
def test_growing_adds_two_blocks_and_keeps_the_rest(num_blocks):
    space = BlockSpace(num_blocks)
    rng = np.random.default_rng(0)
    for parent in space.seeds(rng, 10):
        child = space.grow(rng, parent)
        assert child.dtype == np.int8
        assert (child[parent != 0] == parent[parent != 0]).all()
        assert np.count_nonzero(child) == num_blocks + 2
        assert np.abs(child).max() <= num_blocks


def test_growth_draws_all_relations_and_signs_and_can_be_set():
    space = BlockSpace(growth=3)
    rng = np.random.default_rng(0)
    parent = preset("distmult")
    children = np.stack([space.grow(rng, parent) for _ in range(200)])
    added = children[:, parent == 0]
    assert (np.count_nonzero(added, axis=1) == 3).all()
    assert set(np.unique(added)) == set(range(-4, 5))
    assert (added != 0).any(axis=0).all()


def test_growing_a_nearly_full_structure_fills_it():
    space = BlockSpace()
    parent = preset("quate")
    parent[1, 2] = 0
    assert np.count_nonzero(space.grow(np.random.default_rng(0), parent)) == 16
    full = preset("quate")
    assert (space.grow(np.random.default_rng(0), full) == full).all()


@BLOCKS
def test_features_and_validity_are_invariant(num_blocks):
    space = BlockSpace(num_blocks)
    rng = np.random.default_rng(0)
    structures = space.sample(rng, 50)
    moved = transform(
        structures,
        rng.permutation(num_blocks),
        rng.permutation(num_blocks) + 1,
        rng.choice([-1, 1], num_blocks),
    )
    features = space.features(structures)
    assert features.dtype == np.float32
    assert (features == space.features(moved)).all()
    assert (space.canonical(structures) == space.canonical(moved)).all()
    assert space.is_valid(moved).all()


def test_features_hold_the_share_of_blocks_last():
    assert BlockSpace().features(preset("complex")[None])[0, -1] == 0.5


def test_canonical_and_validity_follow_the_algebra():
    space = BlockSpace()
    structures = space.sample(np.random.default_rng(0), 10)
    assert (space.canonical(structures) == canonical_form(structures)).all()
    structures[0, 0] = 0
    assert (space.is_valid(structures) == ~is_degenerate(structures)).all()


def test_description_is_the_formula():
    assert BlockSpace(2).describe(parse_structure("1 0; 0 -2")) == "⟨h1,r1,t1⟩ − ⟨h2,r2,t2⟩"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_blocks": 0}, "num_blocks=0: expected 1 to 6"),
        ({"num_blocks": 7}, "num_blocks=7: expected 1 to 6"),
        ({"max_nonzero": 3}, "max_nonzero=3: expected 4 to 16 for 4 blocks"),
        ({"max_nonzero": 17}, "max_nonzero=17: expected 4 to 16"),
        ({"growth": 0}, "growth=0: expected at least 1"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UserError, match=message):
        BlockSpace(**settings)
