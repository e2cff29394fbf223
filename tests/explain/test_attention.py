import pytest

from kapl_jax.explain.attention import GraphNames, inverse


def test_relations_have_one_readable_form():
    names = GraphNames(["a"], ["sister", "aunt"])
    assert [names.relation(k) for k in range(5)] == [
        *("sister", "aunt", "sister^-1", "aunt^-1", "stays")
    ]


@pytest.mark.parametrize("relation", range(5))
def test_the_inverse_of_the_inverse_is_the_relation(relation):
    assert inverse(inverse(relation, 2), 2) == relation
    assert inverse(4, 2) == 4
    assert inverse(1, 2) == 3
