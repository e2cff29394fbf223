import dataclasses

import pytest

from kapl_jax.explain.digraph_layout import lay_out
from kapl_jax.explain.reasoning import read_explained
from tests.explain.family_example import family_explanation, wide_entry


def test_columns_hold_what_each_step_reaches():
    (carl,) = read_explained(family_explanation()["answers"][:1])
    layout = lay_out(carl)
    assert [set(column) for column in layout.columns] == [
        *({"ann"}, {"ann", "bea"}, {"bea", "carl"}, {"carl"})
    ]
    assert layout.left_out == (0, 0, 0, 0)
    assert layout.layers == carl.layers


@pytest.mark.parametrize("most", [1, 5, 12])
def test_wide_columns_are_cut_and_counted_and_nothing_dangles(most):
    (wide,) = read_explained([wide_entry(30)])
    layout = lay_out(wide, most)
    assert set(layout.walk) <= {
        (edge.source, edge.relation, edge.target) for layer in layout.layers for edge in layer
    }
    for depth, column in enumerate(layout.columns):
        assert len(column) <= most
        assert layout.left_out[depth] == (30 if 0 < depth < 3 else 1) - len(column)
        if depth < 3:
            assert {edge.source for edge in layout.layers[depth]} == set(column)
        if depth:
            assert {edge.target for edge in layout.layers[depth - 1]} == set(column)


def test_neighbours_stand_side_by_side():
    entry = wide_entry(2)
    lines = [("query", "a"), ("query", "b")], [("a", "d"), ("b", "c")], [("c", "x"), ("d", "x")]
    entry["layers"] = [
        [{"source": s, "relation": "r", "target": t, "weight": 1.0} for s, t in layer]
        for layer in lines
    ]
    entry["paths"][0]["walk"] = [["query", "r", "a"], ["a", "r", "d"], ["d", "r", "x"]]
    (explained,) = read_explained([entry])
    _, first, second, _ = lay_out(explained).columns
    assert (first.index("a") < first.index("b")) == (second.index("d") < second.index("c"))


def test_without_a_path_there_is_nothing_to_lay_out():
    (wide,) = read_explained([wide_entry(3)])
    for empty in ({"layers": ((), (), ())}, {"paths": ()}):
        with pytest.raises(ValueError, match="no path"):
            lay_out(dataclasses.replace(wide, **empty))
