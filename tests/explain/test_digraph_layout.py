import dataclasses
import itertools

import numpy as np
import pytest

from kapl_jax.explain.digraph_layout import (
    Box,
    edge_lines,
    lay_out,
    name_lines,
    node_boxes,
    place_labels,
    relation_shown,
)
from kapl_jax.explain.reasoning import NamedEdge, NamedPath
from tests.explain.family_example import family_explanation, wide_answer


def test_columns_hold_what_each_step_reaches():
    carl = family_explanation().answers[0]
    layout = lay_out(carl)
    assert [set(column) for column in layout.columns] == [
        *({"ann"}, {"ann", "bea"}, {"bea", "carl"}, {"carl"})
    ]
    assert layout.left_out == (0, 0, 0, 0)
    assert layout.layers == carl.layers


@pytest.mark.parametrize("most", [1, 5, 12])
def test_wide_columns_are_cut_and_counted_and_nothing_dangles(most):
    wide = wide_answer(30)
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
    lines = [("query", "a"), ("query", "b")], [("a", "d"), ("b", "c")], [("c", "x"), ("d", "x")]
    layers = tuple(tuple(NamedEdge(s, "r", t, 1.0) for s, t in layer) for layer in lines)
    walk = (("query", "r", "a"), ("a", "r", "d"), ("d", "r", "x"))
    path = NamedPath(steps=walk, weight=1.0)
    explained = dataclasses.replace(wide_answer(2), layers=layers, paths=(path,))
    _, first, second, _ = lay_out(explained).columns
    assert (first.index("a") < first.index("b")) == (second.index("d") < second.index("c"))


def test_without_a_path_there_is_nothing_to_lay_out():
    wide = wide_answer(3)
    for empty in ({"layers": ((), (), ())}, {"paths": ()}):
        with pytest.raises(ValueError, match="no path"):
            lay_out(dataclasses.replace(wide, **empty))


@pytest.fixture(scope="module")
def placed():
    layout = lay_out(wide_answer(12, steps=4))
    nodes = node_boxes(layout, [0.5, 2.5, 4.5, 6.5, 8.5], 3.0)
    lines = edge_lines(layout, nodes)
    return nodes, lines, list(place_labels(lines, nodes, frozenset({"r1", "r2"})))


def test_no_label_covers_another_or_an_entity(placed):
    nodes, lines, labels = placed
    assert 0 < len(labels) < len(lines)
    free = [box for line, box in labels if not line.stressed]
    for first, second in itertools.combinations(free, 2):
        assert not first.overlaps(second)
    for box in free:
        assert not any(box.overlaps(node) for column in nodes for node in column.values())


def test_the_stressed_walk_is_labelled_whole(placed):
    _, lines, labels = placed
    assert [line.stressed for line in lines[:5]] == [True] * 4 + [False]
    stressed = [line.label for line, _ in labels if line.stressed]
    assert stressed == [f"{one.edge.relation} {one.edge.weight:.2f}" for one in lines[:4]]


def test_lines_join_the_sides_of_their_boxes(placed):
    nodes, lines, _ = placed
    line = next(one for one in lines if one.edge.source == "query")
    box = nodes[0]["query"]
    np.testing.assert_allclose(line.points[0], [box.x + box.width / 2, box.y])


def test_edges_between_the_same_entities_lie_apart():
    edges = tuple(NamedEdge("query", name, "answer", 0.5) for name in ("r", "s", "stays"))
    path = NamedPath(steps=(("query", "r", "answer"),), weight=0.5)
    explained = dataclasses.replace(wide_answer(1, steps=1), layers=(edges,), paths=(path,))
    layout = lay_out(explained)
    nodes = node_boxes(layout, [0.5, 3.0], 1.0)
    heights = sorted(line.points[60, 1] for line in edge_lines(layout, nodes))
    np.testing.assert_allclose(np.diff(heights), 0.24)


def test_boxes_know_what_they_cover():
    box = Box(1.0, 1.0, 2.0, 1.0)
    assert box.overlaps(Box(2.5, 1.0, 1.2, 0.2))
    assert not box.overlaps(Box(2.5, 1.0, 1.0, 0.2))
    points = np.array([[0.1, 0.6], [1.0, 1.6], [2.5, 1.0]])
    assert box.covers(points).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("1027", ["1027"]),
        ("Neoplastic_Process", ["Neoplastic_", "Process"]),
        ("Disease_or_Syndrome", ["Disease_", "or_Syndrome"]),
        ("abcdefghijklmnopqrst", ["abcdefghij", "klmnopqrst"]),
        ("Mental_or_Behavioral_Dysfunction_x", ["Mental_or_Behav…", "_Dysfunction_x"]),
    ],
)
def test_long_names_take_two_lines(name, lines):
    assert name_lines(name) == lines
    assert all(len(line) <= 20 for line in name_lines("z" * 99))


def test_relations_keep_their_end():
    assert relation_shown("/people/person/place_of_birth^-1") == "place_of_birth^-1"
    assert relation_shown("_derivationally_related_form^-1").endswith("form^-1")
    assert relation_shown("a/") == "a/"
