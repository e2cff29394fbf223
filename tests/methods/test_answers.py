from __future__ import annotations

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import look_up

NAMES = {"antibiotic": 0, "bacterium": 1, "virus": 2}


def test_known_names():
    assert [look_up(name, NAMES, "entity", "here") for name in NAMES] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "hint"), [("antibiotics", "nearest: antibiotic"), ("xyz", "for example antibiotic")]
)
def test_unknown_names(name, hint):
    with pytest.raises(UserError) as caught:
        look_up(name, NAMES, "entity", "a.txt:3")
    assert str(caught.value) == f"a.txt:3: entity '{name}' is unknown, expected one of 3; {hint}"
