from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.data.knowledge_graph import KnowledgeGraph
from kapl_jax.errors import UserError
from kapl_jax.methods.answers import OutOfReach, Query
from kapl_jax.methods.graph_answers import GraphAnswers

GRAPH = KnowledgeGraph(
    "small",
    ("ann", "bob", "cid", "dan"),
    ("likes", "knows"),
    facts=np.array([[0, 0, 1]], np.int32),
    train=np.array([[0, 0, 2], [3, 1, 0]], np.int32),
    valid=np.array([[0, 0, 3]], np.int32),
    test=np.array([[0, 0, 2], [1, 1, 0]], np.int32),
)
ANSWERS = GraphAnswers(GRAPH)


def test_names_become_ids_and_what_is_asked_is_zero():
    assert ANSWERS.triple(Query("cid", "knows", None, "here")) == (2, 1, 0)
    assert ANSWERS.triple(Query(None, "likes", "dan", "here")) == (0, 0, 3)
    assert ANSWERS.knows("bob")
    assert not ANSWERS.knows("bo")


def test_unknown_names_are_told_with_what_is_near():
    with pytest.raises(UserError) as caught:
        ANSWERS.triple(Query("anne", "likes", None, "f.txt:3"))
    assert str(caught.value) == (
        "f.txt:3: found unknown entity 'anne' (did you mean 'ann' or 'dan'?), "
        "expected one of 4 such as 'ann'"
    )
    with pytest.raises(UserError, match=r"here: found unknown relation 'like' .*mean 'likes'"):
        ANSWERS.triple(Query("ann", "like", None, "here"))


def best(query, scores, top):
    return ANSWERS.best(query, ANSWERS.triple(query), np.float32(scores), top).best


def test_the_best_come_first_with_probabilities_over_all():
    scores = [0.5, 2.0, -1.0, 1.0]
    found = best(Query("ann", "likes", None, "here"), scores, 3)
    assert [one.entity for one in found] == ["bob", "dan", "ann"]
    assert [one.score for one in found] == [2.0, 1.0, 0.5]
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose([one.probability for one in found], softmax[[1, 3, 0]])


def test_each_split_that_holds_a_triple_is_named():
    found = best(Query("ann", "likes", None, "here"), [0, 1, 2, 3], 4)
    known = {one.entity: one.known for one in found}
    # What is known beside the training triples counts as one of them.
    assert known == {"ann": "", "bob": "train", "cid": "train, test", "dan": "valid"}
    heads = best(Query(None, "knows", "ann", "here"), [0, 0, 0, 0], 4)
    assert {one.entity: one.known for one in heads} == {
        "ann": "",
        "bob": "test",
        "cid": "",
        "dan": "train",
    }


def test_of_equal_scores_the_first_entity_is_first_and_large_ones_do_not_overflow():
    found = best(Query("ann", "likes", None, "here"), [1e4, -1e4, 1e4, 0.0], 9)
    assert [one.entity for one in found] == ["ann", "cid", "dan", "bob"]
    np.testing.assert_allclose([one.probability for one in found], [0.5, 0.5, 0, 0])


def test_what_is_out_of_reach_is_no_answer_but_takes_its_places():
    query = Query("ann", "likes", None, "here")
    reached = np.array([True, False, True, False])
    found = ANSWERS.best(query, ANSWERS.triple(query), np.float32([-1, 0, 0, 0]), 9, reached)
    # Of equal scores the reached come first; the two others lie before what scores less.
    assert [(one.rank, one.entity) for one in found.best] == [(1, "cid"), (4, "ann")]
    assert found.out_of_reach == OutOfReach(2, 0.0, 2.5)
    everything = ANSWERS.best(query, ANSWERS.triple(query), np.zeros(4), 1, np.ones(4, bool))
    assert everything.out_of_reach is None
