import numpy as np
import pytest

from kapl_jax.bilinear.structures import (
    count_blocks,
    from_published,
    parse_structure,
    random_structures,
    transpose,
    used_relation_blocks,
    validate_structure,
    validate_structures,
)
from kapl_jax.errors import UserError


def test_validate_returns_a_fresh_int8_array():
    given_structure = np.array([[1, -2], [0, 2]], np.int64)
    checked = validate_structure(given_structure)
    given_structure[0, 0] = 2
    assert checked.dtype == np.int8
    assert checked.tolist() == [[1, -2], [0, 2]]


def test_validate_does_not_alias_an_int8_input():
    given_structure = np.eye(2, dtype=np.int8)
    validate_structure(given_structure)[0, 0] = 2
    assert given_structure[0, 0] == 1


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ([[1, 2]], r"as many rows as columns, found shape \(1, 2\)"),
        ([1, 2], "as many rows as columns"),
        ([[1, 0], [0, 3]], r"lie in -2\.\.2, found 3"),
        ([[1, 0], [0, -3]], "found -3"),
        ([[1.0, 0.0], [0.0, 2.0]], "integers, found float64"),
        (np.zeros((0, 0), int), "1 to 6 blocks per side, found 0"),
        (np.zeros((7, 7), int), "1 to 6 blocks per side, found 7"),
    ],
)
def test_validate_refuses(structure, message):
    with pytest.raises(ValueError, match=message):
        validate_structure(structure)


def test_entries_are_checked_before_they_are_narrowed_to_int8():
    with pytest.raises(ValueError, match="found 257"):
        validate_structure([[257, 0], [0, 1]])


def test_validate_structures_refuses_a_single_structure():
    with pytest.raises(ValueError, match=r"shape \[n, K, K\]"):
        validate_structures(np.eye(3, dtype=int))


def test_parse_accepts_commas_and_a_closing_semicolon():
    assert parse_structure(" 1,0 ;0, -2; ").tolist() == [[1, 0], [0, -2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^--structure: row 1 of 1 has 0 entries, expected 1"),
        ("1 0; 0", r"^--structure: row 2 of 2 has 1 entries, expected 2"),
        ("1 0 0; 0 2 0", r"^--structure: row 1 of 2 has 3 entries, expected 2"),
        ("1 0; 0 x", r"^--structure: .*integers, found 'x'"),
        ("1 0; 0 1.5", r"found '1\.5'"),
        ("1 0; 0 5", r"^--structure: .*-2\.\.2, found 5"),
    ],
)
def test_parse_refuses_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_structure(text, source="--structure")
    assert "\n" not in str(caught.value)


def test_from_published_reads_terms():
    # <h1,r1,t2> + <h2,r2,t1> from the first values, then -<h2,r1,t2>.
    assert from_published([1, 0, 0, 1, 1, -1], num_blocks=2).tolist() == [[0, 1], [2, -1]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], r"expected 2 \+ 4 n values, found 1"),
        ([1, 0, 0], r"expected 2 \+ 4 n values, found 3"),
        ([1, 2], r"blocks lie in 0\.\.1"),
        ([1, 0, 0, 1, 1, 0], "sign is 1 or -1, found 0"),
        ([1, 0, 0, 0, 1, 1], "head block 0 and tail block 1 meet twice"),
    ],
)
def test_from_published_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        from_published(values, num_blocks=2)


def test_transpose_count_and_used_on_batches():
    structures = np.array([[[1, -2], [0, 0]], [[0, 0], [0, -1]]], np.int8)
    assert transpose(structures).tolist() == [[[1, 0], [-2, 0]], [[0, 0], [0, -1]]]
    assert count_blocks(structures).tolist() == [2, 1]
    assert used_relation_blocks(structures).tolist() == [[True, True], [True, False]]
    assert count_blocks(structures[0]) == 2
    assert used_relation_blocks(structures[1]).tolist() == [True, False]


@pytest.mark.parametrize("num_blocks", [1, 3, 4, 5])
def test_random_structures_have_the_sizes_asked_for(num_blocks):
    sizes = np.arange(num_blocks**2 + 1)
    structures = random_structures(np.random.default_rng(0), num_blocks, sizes)
    assert structures.dtype == np.int8
    assert (count_blocks(structures) == sizes).all()
    assert (validate_structures(structures) == structures).all()


def test_random_structures_are_uniform():
    """Of size 1 with K = 2 there are 4 entries, 2 relation blocks, 2 signs: 16, equally likely."""
    drawn = random_structures(np.random.default_rng(0), 2, np.ones(16_000, int))
    _, counts = np.unique(drawn.reshape(-1, 4), axis=0, return_counts=True)
    assert len(counts) == 16
    assert np.abs(counts - 1000).max() < 160  # five standard deviations
