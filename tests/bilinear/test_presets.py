"""Every preset against its textbook formula, written here on its own."""

import numpy as np
import pytest

from kapl_jax.bilinear.algebra import is_degenerate
from kapl_jax.bilinear.presets import PRESETS, preset, preset_names
from kapl_jax.bilinear.structures import count_blocks, validate_structure
from kapl_jax.errors import UserError

WIDTH = 3


def slow_score(structure, h, r, t):
    """Sum the blocks of f(h, r, t), blocks `float[K, width]`."""
    score = 0.0
    for i in range(len(structure)):
        for j in range(len(structure)):
            if structure[i, j]:
                r_block = r[abs(structure[i, j]) - 1]
                score += np.sign(structure[i, j]) * np.sum(h[i] * r_block * t[j])
    return score


def distmult(h, r, t):
    return np.sum(h * r * t)


def complex_(h, r, t):
    def join(parts):
        half = len(parts) // 2
        return parts[:half] + 1j * parts[half:]

    return np.real(np.sum(join(h) * join(r) * np.conj(join(t))))


def analogy(h, r, t):
    scalars = len(h) - 2 * max(1, len(h) // 4)
    return distmult(h[:scalars], r[:scalars], t[:scalars]) + complex_(
        h[scalars:], r[scalars:], t[scalars:]
    )


def simple(h, r, t):
    half = len(h) // 2
    return np.sum(h[:half] * r[:half] * t[half:]) + np.sum(t[:half] * r[half:] * h[half:])


def cp(h, r, t):
    half = len(h) // 2
    return np.sum(h[:half] * r[:half] * t[half:])


def quate(h, r, t):
    """Multiply quaternions as 2x2 complex matrices: 1 + i b + j c + k d."""

    def matrix(quaternion):
        a, b, c, d = quaternion
        return np.array([[a + 1j * b, c + 1j * d], [-c + 1j * d, a - 1j * b]])

    score = 0.0
    for n in range(h.shape[1]):
        product = matrix(h[:, n]) @ matrix(r[:, n])
        parts = [product[0, 0].real, product[0, 0].imag, product[0, 1].real, product[0, 1].imag]
        score += np.dot(parts, t[:, n])
    return score


# The published lines of searched_SFs.txt, which the test reads in its own way.
PUBLISHED = {
    "autosf_wn18": "3,2,1,0,3,3,2,-1,0,2,3,-1,1,0,1,1,2,1,0,1,2,2,0,-1,1,0,2,-1",
    "autosf_fb15k": "3,2,1,0,1,0,1,1,2,1,0,1",
    "autosf_wn18rr": "1,0,2,3,3,1,1,1,3,0,0,1,0,3,2,-1,1,2,3,-1,1,3,1,-1,0,1,3,-1",
    "autosf_fb15k237": "2,1,3,0",
    "autosf_yago310": "0,1,2,3,1,3,1,-1,2,1,3,-1",
}


def published_score(line, h, r, t):
    values = [int(value) for value in line.split(",")]
    score = sum(np.sum(h[k] * r[k] * t[values[k]]) for k in range(4))
    for k in range(4, len(values), 4):
        relation, head, tail, sign = values[k : k + 4]
        score += sign * np.sum(h[head] * r[relation] * t[tail])
    return score


TEXTBOOK = {
    "distmult": distmult,
    "complex": complex_,
    "analogy": analogy,
    "simple": simple,
    "cp": cp,
    "quate": quate,
}

TEXTBOOK_CASES = [
    (name, num_blocks)
    for num_blocks in (1, 2, 3, 4, 5, 6)
    for name in preset_names(num_blocks)
    if name in TEXTBOOK
]


@pytest.mark.parametrize(("name", "num_blocks"), TEXTBOOK_CASES)
def test_textbook_formula(name, num_blocks):
    rng = np.random.default_rng(0)
    for _ in range(5):
        h, r, t = rng.normal(size=(3, num_blocks, WIDTH))
        expected = TEXTBOOK[name](h, r, t)
        assert slow_score(preset(name, num_blocks), h, r, t) == pytest.approx(expected)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_structure(name):
    rng = np.random.default_rng(0)
    for _ in range(5):
        h, r, t = rng.normal(size=(3, 4, WIDTH))
        expected = published_score(PUBLISHED[name], h, r, t)
        assert slow_score(preset(name), h, r, t) == pytest.approx(expected)


def test_every_preset_is_tested_and_cited():
    assert set(PRESETS) == set(TEXTBOOK) | set(PUBLISHED)
    assert all(entry.source and entry.title for entry in PRESETS.values())


def test_names_by_number_of_blocks():
    assert preset_names() == tuple(PRESETS)
    assert preset_names(3) == ("distmult", "analogy")
    assert preset_names(5) == ("distmult", "analogy")
    assert preset_names(7) == ()
    assert preset_names(0) == ()


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 4, 5, 6])
def test_structures_are_well_formed(num_blocks):
    for name in preset_names(num_blocks):
        structure = preset(name, num_blocks)
        assert structure.dtype == np.int8
        assert (validate_structure(structure) == structure).all()


def test_only_cp_is_degenerate():
    found = {name for name in PRESETS if is_degenerate(preset(name)[None])[0]}
    assert found == {"cp"}


def test_numbers_of_blocks():
    sizes = {name: int(count_blocks(preset(name))) for name in PRESETS}
    assert sizes["complex"] == 8
    assert sizes["analogy"] == 6
    assert sizes["quate"] == 16
    assert sizes["autosf_wn18rr"] == 10


def test_each_call_returns_a_fresh_array():
    preset("distmult")[0, 0] = 0
    assert preset("distmult")[0, 0] == 1


def test_unknown_preset():
    with pytest.raises(UserError, match="preset 'distmul' is not known, expected one of distmult,"):
        preset("distmul")


def test_wrong_number_of_blocks():
    with pytest.raises(UserError, match="'complex' needs an even number of blocks, found 3"):
        preset("complex", num_blocks=3)
