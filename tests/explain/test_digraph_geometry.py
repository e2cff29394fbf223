import itertools

import numpy as np
import pytest

from kapl_jax.explain.digraph_geometry import (
    Box,
    edge_lines,
    name_lines,
    node_boxes,
    place_labels,
    relation_shown,
)
from kapl_jax.explain.digraph_layout import lay_out
from kapl_jax.explain.reasoning import read_explained
from tests.explain.family_example import wide_entry


@pytest.fixture(scope="module")
def placed():
    (wide,) = read_explained([wide_entry(12, steps=4)])
    layout = lay_out(wide)
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
    entry = wide_entry(1, steps=1)
    entry["layers"] = [
        [
            {"source": "query", "relation": name, "target": "answer", "weight": 0.5}
            for name in ("r", "s", "stays")
        ]
    ]
    entry["paths"] = [{"steps": [["query", "r", "answer"]], "weight": 0.5}]
    (explained,) = read_explained([entry])
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
