"""Paths as Horn rules, `head(X, Y) <- r1(X, Z1), r2(Z1, Y)`, and how they are told.

A rule with an inverse relation as its head says the same as one with the relation itself, read from
the other end, so heads are always relations of the data.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import ClassVar

from kapl_jax.explain.attention import GraphNames, inverse
from kapl_jax.explain.paths import Path
from kapl_jax.json_form import JsonForm

# Rules of a relation told in words: what has a few instances by chance is not worth a line.
_RULES_LISTED = 5


@dataclasses.dataclass(frozen=True, order=True)
class Rule:
    """A chain of relations that stands for another one.

    Attributes:
        head: Relation in 0..R-1 that holds between X and Y.
        body: Relations in 0..2R-1 of the chain from X to Y, at least one, no identity.
    """

    head: int
    body: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class CountedRule:
    """A rule and where it was found.

    Attributes:
        rule: The rule.
        answers: Number of explained answers that have a path of this form.
        weight: Sum over these of the weight of the strongest such path.
    """

    rule: Rule
    answers: int
    weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleRow(JsonForm):
    """A rule by name, where it was found and how well it holds.

    Attributes:
        rule: The rule on one line.
        relation: The relation of its head.
        latex: The rule in LaTeX, empty where it is not known.
        support: Pairs (x, y) for which body and head hold.
        confidence: Their share of the pairs for which the body holds.
        head_coverage: Their share of the facts of the relation.
        weight: Sum of the weights of the strongest paths of this form.
        answers: Explained answers that have such a path.
        counted: Share of the entities x that pairs were counted for; see `RuleMeasures`.
    """

    rule: str
    relation: str
    latex: str = ""
    support: int
    confidence: float
    head_coverage: float
    weight: float
    answers: int
    counted: float = 1.0


@dataclasses.dataclass(frozen=True)
class RuleRanking(JsonForm):
    """Filtered MRR on the test queries: of rules alone, and of the model; None where unknown."""

    rules: float | None = None
    model: float | None = None


@dataclasses.dataclass(frozen=True)
class RulesExplanation(JsonForm):
    """The rules that a model's paths are instances of (`Explanation`).

    Attributes:
        mrr: How well rules answer alone, beside the model.
        table: The rules, by relation.
    """

    name: ClassVar[str] = "rules"
    title: ClassVar[str] = "all rules"
    mrr: RuleRanking = RuleRanking()
    table: tuple[RuleRow, ...] = ()

    def text(self) -> str:
        """Return the most confident rules of each relation, and how well rules answer alone."""
        lines = [f"{'confidence':>10} {'coverage':>9} {'support':>8}  rule"]
        for _, rows in itertools.groupby(self.table, key=lambda row: row.relation):
            ordered = sorted(rows, key=lambda row: -row.confidence)
            for row in ordered[:_RULES_LISTED]:
                about = "≈" if row.counted < 1 else " "
                lines.append(
                    f"{about}{row.confidence:>9.3f} {row.head_coverage:>9.3f} "
                    f"{row.support:>8}  {row.rule}"
                )
            if len(ordered) > _RULES_LISTED:
                lines.append(f"{'':>30} and {len(ordered) - _RULES_LISTED} more")
        lines.append(f"test MRR of the rules alone  {_figure(self.mrr.rules)}")
        lines.append(f"test MRR of the model        {_figure(self.mrr.model)}")
        return "\n".join(lines)

    def pictures(self) -> dict[str, bytes]:
        """Return none: rules are told in words."""
        return {}


def rule_of_path(query_relation: int, path: Path, num_relations: int) -> Rule | None:
    """Return the rule that a path is an instance of, None where it says nothing.

    A rule says nothing where the path has no step, and where the fact it concludes satisfies its
    body all alone: `r <- r`, or `r` forth, back and forth again. Its confidence would be 1.

    Args:
        query_relation: Relation of the query in 0..2R-1.
        path: A path from the query entity to an answer.
        num_relations: R.
    """
    head, body = query_relation, tuple(relation for _, relation, _ in path.steps)
    if head >= num_relations:
        head -= num_relations
        body = reverse_body(body, num_relations)
    forth, back = head, inverse(head, num_relations)
    alone = tuple(back if index % 2 else forth for index in range(len(body)))
    return None if not body or (len(body) % 2 and body == alone) else Rule(head, body)


def reverse_body(body: Sequence[int], num_relations: int) -> tuple[int, ...]:
    """Return the chain from Y to X of a chain from X to Y."""
    return tuple(inverse(relation, num_relations) for relation in reversed(body))


def collect_rules(
    explained: Iterable[tuple[int, Sequence[Path]]], num_relations: int
) -> list[CountedRule]:
    """Return the rules of many explained answers, by head and then by weight, the heaviest first.

    Args:
        explained: Of each answer the relation of its query in 0..2R-1 and paths to it.
        num_relations: R.
    """
    answers: dict[Rule, int] = {}
    weights: dict[Rule, float] = {}
    for relation, paths in explained:
        strongest: dict[Rule, float] = {}
        for path in paths:
            rule = rule_of_path(relation, path, num_relations)
            if rule is not None:
                strongest[rule] = max(strongest.get(rule, 0.0), path.weight)
        for rule, weight in strongest.items():
            answers[rule] = answers.get(rule, 0) + 1
            weights[rule] = weights.get(rule, 0.0) + weight
    counted = [CountedRule(rule, answers[rule], weights[rule]) for rule in answers]
    return sorted(counted, key=lambda one: (one.rule.head, -one.weight, one.rule.body))


def rule_text(rule: Rule, names: GraphNames) -> str:
    """Return a rule on one line: `aunt(X, Y) <- sister(X, Z1), nephew(Z1, Y)`."""
    variables = _variables(rule, "X", "Z{}", "Y")
    head = f"{names.relations[rule.head]}(X, Y)"
    atoms = (f"{name}({first}, {second})" for name, first, second in _atoms(rule, names, variables))
    return f"{head} <- {', '.join(atoms)}"


def rule_latex(rule: Rule, names: GraphNames) -> str:
    r"""Return a rule in LaTeX for math mode, with `\text` of amsmath for names."""
    variables = _variables(rule, "X", "Z_{{{}}}", "Y")
    head = rf"\text{{{_escaped(names.relations[rule.head])}}}(X, Y)"
    atoms = r" \wedge ".join(
        rf"\text{{{_escaped(name)}}}({first}, {second})"
        for name, first, second in _atoms(rule, names, variables)
    )
    return rf"{head} \leftarrow {atoms}"


def _variables(rule: Rule, first: str, between: str, last: str) -> list[str]:
    return [first, *(between.format(index) for index in range(1, len(rule.body))), last]


def _atoms(
    rule: Rule, names: GraphNames, variables: Sequence[str]
) -> Iterable[tuple[str, str, str]]:
    """Yield name and arguments of each atom; an inverse relation has them swapped."""
    count = len(names.relations)
    for index, relation in enumerate(rule.body):
        here, there = variables[index], variables[index + 1]
        if relation < count:
            yield names.relations[relation], here, there
        else:
            yield names.relations[relation - count], there, here


_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "_#$%&{}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
    }
)


def _escaped(name: str) -> str:
    return name.translate(_LATEX)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
