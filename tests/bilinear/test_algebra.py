"""The algebra against slow and obvious versions, and the invariances as properties."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapl_jax.bilinear.algebra import (
    RelationPatterns,
    are_equivalent,
    canonical_form,
    is_degenerate,
    relation_patterns,
    symmetry_features,
)
from kapl_jax.bilinear.presets import preset
from kapl_jax.bilinear.structures import parse_structure, random_structures
from tests.bilinear.equivalence import transform

# --- slow versions -------------------------------------------------------------------------------


def slow_form(structure, r):
    """Return G(r) as a matrix of numbers."""
    num_blocks = len(structure)
    form = np.zeros((num_blocks, num_blocks))
    for i in range(num_blocks):
        for j in range(num_blocks):
            if structure[i, j]:
                form[i, j] = np.sign(structure[i, j]) * r[abs(structure[i, j]) - 1]
    return form


def slow_orbit(structure):
    """Return the whole equivalence class as a set of tuples."""
    num_blocks = len(structure)
    orbit = set()
    for entities in permutations(range(num_blocks)):
        for relations in permutations(range(1, num_blocks + 1)):
            for signs in product((-1, 1), repeat=num_blocks):
                other = np.zeros_like(structure)
                for i in range(num_blocks):
                    for j in range(num_blocks):
                        entry = structure[i, j]
                        if entry:
                            k = abs(entry) - 1
                            other[entities[i], entities[j]] = (
                                np.sign(entry) * signs[k] * relations[k]
                            )
                orbit.add(tuple(other.ravel().tolist()))
    return orbit


def slow_canonical(structure):
    """The representative by the documented rule: over the whole class, those numbered in order."""

    def is_numbered_in_order(entries):
        seen = 0
        for entry in entries:
            if abs(entry) > seen:
                if entry != seen + 1:
                    return False
                seen += 1
        return True

    best = max(entries for entries in slow_orbit(structure) if is_numbered_in_order(entries))
    return np.array(best, np.int8).reshape(structure.shape)


def slow_is_degenerate(structure):
    """Take the ranks of the three unfoldings of the K×K×K tensor of coefficients."""
    num_blocks = len(structure)
    tensor = np.stack([slow_form(structure, row) for row in np.eye(num_blocks)])
    unfoldings = [np.moveaxis(tensor, axis, 0).reshape(num_blocks, -1) for axis in range(3)]
    return any(np.linalg.matrix_rank(unfolding) < num_blocks for unfolding in unfoldings)


def shape_of(r):
    """The number of zeros and the sizes of the classes of equal absolute value."""
    sizes = sorted((r.count(k) + r.count(-k) for k in {abs(v) for v in r} - {0}), reverse=True)
    return (r.count(0), *sizes)


def slow_features(structure):
    """Try all (2K+1)^K assignments, one after the other."""
    num_blocks = len(structure)
    found = {}
    for r in product(range(-num_blocks, num_blocks + 1), repeat=num_blocks):
        if not any(r):
            continue
        form = slow_form(structure, r)
        flags = found.setdefault(shape_of(r), [0, 0])
        if form.any():
            flags[0] |= int((form == form.T).all())
            flags[1] |= int((form == -form.T).all())
    columns = [found[shape] for shape in sorted(found)]
    return np.array([c[0] for c in columns] + [c[1] for c in columns], np.float32)


def null_space(matrix):
    _, values, vectors = np.linalg.svd(matrix)
    rank = int((values > 1e-9).sum())
    return vectors[rank:]


def slow_patterns(structure):
    """Solve the linear conditions on r (and on pairs r, q) and look at a random solution.

    A generic element of a linear space has every open property that some element has.
    """
    num_blocks = len(structure)
    rng = np.random.default_rng(0)
    flat = np.stack([slow_form(structure, row).ravel() for row in np.eye(num_blocks)], axis=1)
    turned = np.stack([slow_form(structure, row).T.ravel() for row in np.eye(num_blocks)], axis=1)

    def generic(matrix):
        basis = null_space(matrix)
        return rng.normal(size=len(basis)) @ basis

    def differ(first, second):
        return bool(np.abs(first - second).max() > 1e-6)

    r = generic(flat - turned)
    symmetric = differ(flat @ r, 0 * flat @ r)
    r = generic(flat + turned)
    antisymmetric = differ(flat @ r, 0 * flat @ r)
    r = rng.normal(size=num_blocks)
    general = differ(flat @ r, turned @ r) and differ(flat @ r, -turned @ r)
    r, _ = np.split(generic(np.concatenate([turned, -flat], axis=1)), 2)
    inverse = differ(flat @ r, turned @ r)
    return RelationPatterns(
        symmetric=symmetric,
        antisymmetric=antisymmetric,
        inverse=inverse,
        general=general,
        general_inverse=inverse and differ(flat @ r, -turned @ r),
    )


# --- drawing structures and group elements -------------------------------------------------------


def draw(num_blocks, count, seed=0):
    """Draw structures of all sizes, the empty and the full one included."""
    rng = np.random.default_rng(seed)
    return random_structures(rng, num_blocks, rng.integers(0, num_blocks**2 + 1, count))


@st.composite
def structure_and_element(draw_from):
    size = draw_from(st.integers(1, 5))
    entries = st.integers(-size, size) | st.just(0)
    structure = draw_from(st.lists(entries, min_size=size * size, max_size=size * size))
    entities = draw_from(st.permutations(range(size)))
    relations = draw_from(st.permutations(range(1, size + 1)))
    signs = draw_from(st.lists(st.sampled_from([-1, 1]), min_size=size, max_size=size))
    array = np.array(structure, np.int8).reshape(size, size)
    return array, (np.array(entities), np.array(relations), np.array(signs))


# --- equivalence ---------------------------------------------------------------------------------


@given(structure_and_element(), st.integers(0, 2**32 - 1))
def test_transformed_structure_scores_alike_with_transformed_parameters(case, seed):
    structure, (entities, relations, signs) = case
    num_blocks = len(structure)
    h, r, t = np.random.default_rng(seed).normal(size=(3, num_blocks, 2))
    new_r = np.zeros_like(r)
    new_r[relations - 1] = signs[:, None] * r
    moved = transform(structure, entities, relations, signs)

    def score(form_of, h, r, t):
        return sum(h[:, n] @ slow_form(form_of, r[:, n]) @ t[:, n] for n in range(2))

    assert moved.dtype == np.int8
    assert score(moved, h[entities], new_r, t[entities]) == pytest.approx(score(structure, h, r, t))


@pytest.mark.parametrize("num_blocks", [1, 2, 3])
def test_canonical_form_equals_the_slow_one(num_blocks):
    structures = draw(num_blocks, 60)
    expected = np.stack([slow_canonical(structure) for structure in structures])
    assert (canonical_form(structures) == expected).all()


def test_canonical_form_equals_the_slow_one_at_four_blocks():
    structures = draw(4, 3)
    expected = np.stack([slow_canonical(structure) for structure in structures])
    assert (canonical_form(structures) == expected).all()


@given(structure_and_element())
def test_canonical_form_is_invariant_and_idempotent(case):
    structure, element = case
    form = canonical_form(structure[None])
    assert form.dtype == np.int8
    assert form.shape == (1, *structure.shape)
    assert (canonical_form(transform(structure, *element)[None]) == form).all()
    assert (canonical_form(form) == form).all()


def test_canonical_form_of_a_batch_is_that_of_each():
    structures = draw(4, 20)
    alone = np.concatenate([canonical_form(structure[None]) for structure in structures])
    assert (canonical_form(structures) == alone).all()
    assert canonical_form(structures[:0]).shape == (0, 4, 4)


def test_equal_forms_exactly_for_equivalent_structures_of_two_blocks():
    """All 625 structures of two blocks: classes by canonical form are the orbits."""
    structures = np.array(list(product(range(-2, 3), repeat=4)), np.int8).reshape(-1, 2, 2)
    classes = {}
    for structure, form in zip(structures, canonical_form(structures), strict=True):
        classes.setdefault(form.tobytes(), set()).add(tuple(structure.ravel().tolist()))
    for members in classes.values():
        assert slow_orbit(np.array(min(members), np.int8).reshape(2, 2)) == members


def test_are_equivalent_equals_the_slow_answer_at_three_blocks():
    """Transformed structures, half of them with an entry changed: near misses among the rest."""
    rng = np.random.default_rng(1)
    answers = []
    for structure in draw(3, 60, seed=1):
        moved = transform(
            structure, rng.permutation(3), rng.permutation(3) + 1, rng.choice([-1, 1], 3)
        )
        if rng.random() < 0.5:
            moved[rng.integers(3), rng.integers(3)] = rng.integers(-3, 4)
        answers.append(tuple(moved.ravel().tolist()) in slow_orbit(structure))
        assert are_equivalent(structure, moved) == answers[-1]
    assert 5 < sum(answers) < 55


def test_structures_of_different_sizes_are_not_equivalent():
    assert not are_equivalent(preset("distmult", 3), preset("distmult", 4))


def test_canonical_form_keeps_distmult():
    assert (canonical_form(preset("distmult")[None])[0] == preset("distmult")).all()


def test_sign_flips_of_entity_blocks_are_not_counted_as_equivalence():
    """They keep the family of scores, but the paper's equivalence leaves them out."""
    first, second = parse_structure("1 1; 0 2"), parse_structure("1 -1; 0 2")
    assert (
        slow_form(second, [3, 5]) == np.outer([1, -1], [1, -1]) * slow_form(first, [3, 5])
    ).all()
    assert not are_equivalent(first, second)


# --- degeneracy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 4, 5, 6])
def test_is_degenerate_equals_the_slow_answer(num_blocks):
    structures = draw(num_blocks, 300)
    expected = [slow_is_degenerate(structure) for structure in structures]
    assert 0 < sum(expected) < 300
    assert is_degenerate(structures).tolist() == expected


def test_is_degenerate_of_all_structures_of_two_blocks():
    structures = np.array(list(product(range(-2, 3), repeat=4)), np.int8).reshape(-1, 2, 2)
    expected = [slow_is_degenerate(structure) for structure in structures]
    assert is_degenerate(structures).tolist() == expected


@given(structure_and_element())
def test_equivalent_structures_are_degenerate_together(case):
    structure, element = case
    both = np.stack([structure, transform(structure, *element)])
    first, second = is_degenerate(both)
    assert first == second


@pytest.mark.parametrize(
    ("text", "degenerate"),
    [
        ("1 2; 1 2", True),  # h = (1, -1)
        ("1 1; 2 2", True),  # t = (1, -1)
        ("1 0; 0 1", True),  # r = (0, 1)
        ("1 2; 0 0", True),
        ("1 2; -1 2", False),
        ("1 -2; 2 1", False),
    ],
)
def test_is_degenerate_on_known_cases(text, degenerate):
    assert is_degenerate(parse_structure(text)[None])[0] == degenerate


def test_differences_from_the_determinant_test():
    """Proportional rows of numbers need not be degenerate, and renumbering changes the verdict."""
    rejected = parse_structure("1 2 0 0; 2 4 0 0; 0 0 3 0; 0 0 0 1")
    renumbered = parse_structure("1 2 0 0; 2 3 0 0; 0 0 4 0; 0 0 0 1")
    assert are_equivalent(rejected, renumbered)
    assert round(np.linalg.det(rejected.astype(float))) == 0
    assert round(np.linalg.det(renumbered.astype(float))) != 0
    assert not is_degenerate(rejected[None])[0]


@pytest.mark.parametrize("num_blocks", [3, 4, 5])
def test_whatever_passes_the_determinant_test_passes(num_blocks):
    structures = draw(num_blocks, 2000)
    determinants = np.rint(np.linalg.det(structures.astype(float)))
    used = [len(set(np.abs(structure[structure != 0]))) == num_blocks for structure in structures]
    passes = (determinants != 0) & np.array(used)
    assert passes.any()
    assert not is_degenerate(structures[passes]).any()


# --- relations that can be modelled --------------------------------------------------------------


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 4, 5])
def test_patterns_equal_the_slow_answer(num_blocks):
    for structure in draw(num_blocks, 150):
        assert relation_patterns(structure) == slow_patterns(structure), structure


@pytest.mark.parametrize(
    ("name", "symmetric", "antisymmetric", "general"),
    [
        ("distmult", True, False, False),
        ("complex", True, True, True),
        ("analogy", True, True, True),
        ("simple", True, True, True),
        ("cp", False, False, True),
        ("quate", True, True, True),
        ("autosf_wn18rr", True, True, True),
        ("autosf_fb15k237", True, False, True),
    ],
)
def test_patterns_of_presets(name, symmetric, antisymmetric, general):
    assert relation_patterns(preset(name)) == RelationPatterns(
        symmetric=symmetric,
        antisymmetric=antisymmetric,
        inverse=antisymmetric,
        general=general,
        general_inverse=symmetric and antisymmetric,
    )


@pytest.mark.parametrize(("num_blocks", "count"), [(1, 4), (2, 40), (3, 40), (4, 4)])
def test_features_equal_the_slow_ones(num_blocks, count):
    structures = draw(num_blocks, count, seed=2)
    expected = np.stack([slow_features(structure) for structure in structures])
    features = symmetry_features(structures)
    assert features.dtype == np.float32
    assert (features == expected).all()


@pytest.mark.parametrize(("num_blocks", "length"), [(3, 12), (4, 22), (5, 36)])
def test_number_of_features(num_blocks, length):
    assert symmetry_features(draw(num_blocks, 7)).shape == (7, length)
    assert symmetry_features(draw(num_blocks, 7)[:0]).shape == (0, length)


def test_features_tell_presets_apart():
    names = ("distmult", "complex", "analogy", "simple", "quate", "autosf_fb15k237")
    features = symmetry_features(np.stack([preset(name) for name in names]))
    for (first, row), (second, other) in combinations(zip(names, features, strict=True), 2):
        assert (row != other).any(), (first, second)


@settings(max_examples=50)
@given(structure_and_element())
def test_features_and_patterns_are_invariant(case):
    structure, element = case
    moved = transform(structure, *element)
    first, second = symmetry_features(np.stack([structure, moved]))
    assert (first == second).all()
    assert relation_patterns(structure) == relation_patterns(moved)
