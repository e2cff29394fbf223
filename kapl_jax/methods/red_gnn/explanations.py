"""Why a trained RED-GNN model answers as it does: paths to single answers, rules of many."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from kapl_jax.evaluation.answer_ranking import in_order, ranks_of_answers
from kapl_jax.evaluation.ranking import mean_rank_metrics
from kapl_jax.explain.paths import Path, strongest_paths
from kapl_jax.explain.query_explanation import QueryExplanation
from kapl_jax.explain.reasoning import (
    AnswerExplanation,
    FittingRule,
    NamedQuery,
    explain_answer,
)
from kapl_jax.explain.rule_measures import (
    RelationMatrices,
    RuleMeasures,
    measure_rule,
    rule_evidence,
    rule_row,
)
from kapl_jax.explain.rules import (
    CountedRule,
    Rule,
    RuleRanking,
    RulesExplanation,
    collect_rules,
    rule_of_path,
    rule_text,
)
from kapl_jax.methods.answers import Query
from kapl_jax.methods.red_gnn.answers import ids_of
from kapl_jax.methods.red_gnn.reasoner import Reasoner
from kapl_jax.methods.red_gnn.tasks import Asked, Tasks
from kapl_jax.methods.red_gnn.trained import TrainedRedGNN

_QUERIES_AT_ONCE = 16
# Paths that become rules, of each answer.
_PATHS = 5


@dataclasses.dataclass(frozen=True)
class MeasuredRule:
    """A rule, where it was found and what was counted of it."""

    found: CountedRule
    measures: RuleMeasures

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.found.rule


class RedGNNExplainer:
    """Explains the best model of a run (`methods.graph_predictor.Explainer`)."""

    def __init__(self, trained: TrainedRedGNN) -> None:
        """Explain `trained`."""
        self.trained = trained

    def explain(self, query: Query, answer: str | None, top: int) -> QueryExplanation:
        """Return the answers to a query with the paths and rules that lead to them.

        Args:
            query: What is asked.
            answer: The answer to explain; None for the `top` best of those reached.
            top: How many answers.

        Raises:
            UserError: A name is unknown.
        """
        asked = self.trained.graph_of(query)
        entity, relation = ids_of(asked, query)
        (trace,) = asked.reasoner.traces(np.array([entity]), np.array([relation]))
        given = None if answer is None else asked.answers.entity(answer, query.source)
        answers = trace.best(top) if given is None else [given]
        known = RelationMatrices(
            self.trained.tasks.pool, self.trained.tasks.num_entities, asked.graph.num_relations
        )
        entries = []
        for one in answers:
            rules = {
                rule_of_path(relation, path, asked.graph.num_relations): None
                for path in strongest_paths(trace, one, _PATHS)
            }
            fitting = tuple(
                FittingRule(rule_text(rule, asked.names), measure_rule(known, rule).confidence)
                for rule in rules
                if rule is not None
            )
            explained = explain_answer(trace, one, asked.names)
            entries.append(dataclasses.replace(explained, rules=fitting))
        named = NamedQuery(asked.names.entities[entity], asked.names.relation(relation))
        return QueryExplanation(named, tuple(entries))

    def rules(self, most_queries: int) -> RulesExplanation:
        """Return the rules of the model's paths; see `mined_rules`."""
        first = self.trained.graphs[-1]
        rules = mined_rules(first.reasoner, self.trained.tasks, most_queries)
        return RulesExplanation(
            RuleRanking(rules_metrics(self.trained.tasks, rules)["mrr"], self.trained.test_mrr),
            tuple(rule_row(one.found, one.measures, first.names) for one in rules),
        )


def mined_rules(reasoner: Reasoner, tasks: Tasks, most_queries: int) -> list[MeasuredRule]:
    """Return the rules that the paths to right answers of validation queries are instances of.

    They are measured on the triples that the model learnt from. Test queries play no part.

    Args:
        reasoner: The model over the first graph.
        tasks: The tasks.
        most_queries: Answers to explain at most; the first in the random order of the queries.
    """
    counted = collect_rules(_explained(reasoner, tasks.valid, most_queries), tasks.num_relations)
    graph = RelationMatrices(tasks.pool, tasks.num_entities, tasks.num_relations)
    return [MeasuredRule(one, measure_rule(graph, one.rule)) for one in counted]


def rules_metrics(tasks: Tasks, rules: Sequence[MeasuredRule]) -> dict[str, float]:
    """Return the filtered ranking metrics of rules alone on the test queries.

    Args:
        tasks: The tasks; rules are applied to the known triples of the test graph.
        rules: The rules with their confidences.
    """
    asked = tasks.test
    graph = _known(asked)
    confidences = np.array([one.measures.confidence for one in rules])
    bodies = [one.rule for one in rules]
    rank, ranks = jax.jit(ranks_of_answers), []
    for number, heads in enumerate(asked.queries.heads):
        relations = asked.queries.relations[number]
        evidence = rule_evidence(graph, bodies, confidences, heads, relations)
        answers = jax.tree.map(lambda leaf, at=number: leaf[at], asked.queries.answers)
        ranks.append(np.asarray(rank(evidence, answers)))
    metrics = mean_rank_metrics(in_order(asked.queries, np.stack(ranks))[None])
    return {name: float(values[0]) for name, values in metrics.items()}


def example_answers(trained: TrainedRedGNN, count: int) -> list[AnswerExplanation]:
    """Explain the best answers to `count` test queries, of different relations."""
    asked = trained.graphs[0]
    queries = trained.tasks.test.queries
    heads, relations = queries.heads.reshape(-1), queries.relations.reshape(-1)
    _, firsts = np.unique(relations, return_index=True)
    chosen = np.sort(firsts)[:count]
    traces = asked.reasoner.traces(heads[chosen], relations[chosen])
    best = [(trace, answer) for trace in traces for answer in trace.best(1)]
    return [explain_answer(trace, answer, asked.names) for trace, answer in best]


def _known(asked: Asked) -> RelationMatrices:
    graph = asked.graph
    triples = np.stack([graph.sources, graph.relations, graph.targets], axis=1)
    forward = triples[graph.relations < graph.num_relations]
    return RelationMatrices(forward, graph.num_entities, graph.num_relations)


def _explained(reasoner: Reasoner, asked: Asked, most: int) -> Iterator[tuple[int, Sequence[Path]]]:
    """Yield of right answers the relation of their query and the strongest paths to them."""
    answers, explained = asked.queries.answers, 0
    for number, (heads, relations) in enumerate(
        zip(asked.queries.heads, asked.queries.relations, strict=True)
    ):
        real = np.asarray(answers.position[number]) >= 0
        queries, entities = (
            np.asarray(column[number])[real] for column in (answers.query, answers.entity)
        )
        for start in range(0, len(heads), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            traces = reasoner.traces(heads[part], relations[part])
            inside = (queries >= start) & (queries < start + len(traces))
            for query, entity in zip(queries[inside], entities[inside], strict=True):
                if explained == most:
                    return
                trace = traces[query - start]
                yield trace.query_relation, strongest_paths(trace, int(entity), _PATHS)
                explained += 1
