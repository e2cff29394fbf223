from __future__ import annotations

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import look_up

NAMES = {"antibiotic": 0, "bacterium": 1, "virus": 2}


def test_known_names():
    assert [look_up(name, NAMES, "entity", "here") for name in NAMES] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "told"),
    [("antibiotics", "'antibiotics' (did you mean 'antibiotic'?)"), ("xyz", "'xyz'")],
)
def test_unknown_names(name, told):
    with pytest.raises(UserError) as caught:
        look_up(name, NAMES, "entity", "a.txt:3")
    assert str(caught.value) == (
        f"a.txt:3: found unknown entity {told}, expected one of 3 such as 'antibiotic'"
    )
