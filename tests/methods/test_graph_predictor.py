from __future__ import annotations

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.answers import Answers, Query
from kapl_jax.methods.graph_predictor import (
    GraphExplanationQuestion,
    GraphPredictor,
    GraphQuestion,
    read_queries,
)


def test_one_end_is_asked():
    (query,) = GraphQuestion(head="ann", relation="likes").read()
    assert (query.head, query.relation, query.tail) == ("ann", "likes", None)
    (query,) = GraphQuestion(relation="likes", tail="bob").read()
    assert (query.head, query.relation, query.tail) == (None, "likes", "bob")
    assert query.source == "--tail=bob --relation=likes"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"head": "ann"}, "--relation: missing; .* or --queries"),
        ({}, "--relation: missing"),
        ({"head": "ann", "relation": "likes", "tail": "bob"}, "both given, expected exactly one"),
        ({"relation": "likes"}, "neither given, expected exactly one"),
        ({"queries": "q.txt", "head": "ann"}, "--head: given with --queries"),
        ({"queries": "q.txt", "relation": "likes"}, "--relation: given with --queries"),
        ({"queries": "q.txt", "tail": "bob"}, "--tail: given with --queries"),
    ],
)
def test_flags_that_are_no_query(question, message):
    with pytest.raises(UserError, match=message):
        GraphQuestion(**question).read()


def test_a_query_to_explain_may_name_its_answer():
    query, answer = GraphExplanationQuestion(head="ann", relation="likes").query()
    assert (query.head, query.tail, answer) == ("ann", None, None)
    query, answer = GraphExplanationQuestion(relation="likes", tail="bob").query()
    assert (query.head, query.tail, answer) == (None, "bob", None)
    query, answer = GraphExplanationQuestion(head="ann", relation="likes", tail="bob").query()
    assert (query.head, query.tail, answer) == ("ann", None, "bob")
    for given, message in (
        ({"head": "ann", "tail": "bob"}, "--relation: missing; .* or --rules"),
        ({"relation": "likes"}, "neither given"),
    ):
        with pytest.raises(UserError, match=message):
            GraphExplanationQuestion(**given).query()


def test_a_file_of_queries(tmp_path):
    path = tmp_path / "queries.txt"
    path.write_bytes(
        "\ufeffann likes ?\n\n ?\tis friend of\tbob\u2028marley \r\nzoë likes ?\n".encode()
    )
    queries = read_queries(path)
    assert [(one.head, one.relation, one.tail) for one in queries] == [
        ("ann", "likes", None),
        (None, "is friend of", "bob\u2028marley"),
        ("zoë", "likes", None),
    ]
    assert [one.source for one in queries] == [f"{path}:{line}" for line in (1, 3, 4)]
    assert GraphQuestion(queries=str(path)).read() == queries


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: found an empty file"),
        (b"\n \n", ":1: found an empty file"),
        (b"ann likes ?\nann likes\n", ":2: found 2 columns, expected 3"),
        (b"ann likes very much\n", ":1: found 4 columns"),
        (b"ann likes bob\n", ":1: found 'ann likes bob', expected exactly one \\?"),
        (b"? likes ?\n", "expected exactly one"),
        (b"ann ? bob\n", "expected exactly one"),
        (b"ann ? ?\n", "expected exactly one"),
        (b"ann likes ?\nzo\xeb likes ?\n", ":2: found byte 0xeb .* expected text in UTF-8"),
    ],
)
def test_files_that_are_no_queries(tmp_path, content, message):
    path = tmp_path / "queries.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_queries(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            read_queries(path)


class Knowing:
    """Knows the entities given, and says how it was asked."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[tuple] = []

    def check(self, query):
        if (query.head or query.tail) not in self.names:
            raise UserError(f"{query.source}: unknown")

    def answer(self, queries, top):
        for query in queries:
            self.check(query)
        self.asked.append((len(queries), top))
        return [Answers(query) for query in queries]

    def explain(self, query, answer, top):
        return {"query": query, "answer": answer, "top": top}

    def rules(self, most_queries):
        return {"most": most_queries}


def test_of_the_queries_in_a_file_the_known_are_answered_in_order(tmp_path):
    path = tmp_path / "queries.txt"
    path.write_text("ann likes ?\nnobody likes ?\n? likes bob\n")
    answerer = Knowing("ann", "bob")
    found = GraphPredictor(answerer).predict(GraphQuestion(queries=str(path), top=4))
    assert [one.query.source for one in found] == [f"{path}:{line}" for line in (1, 2, 3)]
    assert [str(one.error) for one in found] == ["None", f"{path}:2: unknown", "None"]
    assert answerer.asked == [(2, 4)]
    assert found[1].to_json() == {
        "query": {"head": "nobody", "relation": "likes", "tail": None},
        "error": f"{path}:2: unknown",
    }


def test_a_query_alone_that_is_unknown_is_refused():
    with pytest.raises(UserError, match="--head=nobody --relation=likes: unknown"):
        GraphPredictor(Knowing("ann")).predict(GraphQuestion(head="nobody", relation="likes"))


def test_paths_are_explained_or_rules():
    predictor = GraphPredictor(Knowing("ann"), Knowing("ann"))
    asked = GraphExplanationQuestion(head="ann", relation="likes", tail="bob", top=2)
    query = Query("ann", "likes", None, "--head=ann --relation=likes")
    assert predictor.explain(asked) == {"query": query, "answer": "bob", "top": 2}
    rules = GraphExplanationQuestion(rules=True, explained_answers=7)
    assert predictor.explain(rules) == {"most": 7}
    with pytest.raises(UserError, match="--relation: given with --rules, expected one of the two"):
        predictor.explain(GraphExplanationQuestion(rules=True, relation="likes"))
