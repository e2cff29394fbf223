"""A case of each method: with it a method goes through all tests of this folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

_COMMON = {
    "searcher": "random",
    "structure": "",
    # Three rounds of a chunk each.
    "candidates": 6,
    "round_size": 2,
    "chunk_size": 2,
    "epochs": 1,
    "evaluate_search_every": 0,
    "one_shot_pool": 4,
    "one_shot_epochs": 1,
    # With a chunk of equal size in all stages there is one program for each kind of options.
    "finalists": 2,
    "presets": "none",
    "tuning_samples": 2,
    "seeds": 1,
    "final_epochs": 2,
    "evaluate_every": 2,
    "checkpoint_seconds": 3600.0,
    "log_progress": False,
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What the tests must know of a method.

    Attributes:
        settings: Of a run of seconds on the embedded data.
        question: To predict, by the names of flags.
        why: To explain; None where the method explains nothing.
        bad: Flags of the method's program by what the line says that refuses them.
        bad_questions: Flags of experiments.predict, the same.
        files: Texts of files, by path, that these name.
        slow: Whether programs of the method take long to compile: `tools/test` leaves it out.
    """

    settings: Mapping[str, Any]
    question: Mapping[str, Any]
    why: Mapping[str, Any] | None
    bad: Mapping[str, str]
    bad_questions: Mapping[str, str]
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    slow: bool = False


_GRAPH = {
    "bad/train.txt": "a\tlikes\tb\nb\tlikes\n",
    "bad/valid.txt": "a\tlikes\tb\n",
    "bad/test.txt": "b\tlikes\ta\n",
}
_QUERY = {"head": "steroid", "relation": "interacts_with"}

CASES = {
    "autoblm": Case(
        settings={
            **_COMMON,
            "embedding_dim": 8,
            "final_embedding_dim": 8,
            "batch_size": 1024,
        },
        question={**_QUERY, "top": 3},
        why=None,
        bad={
            "--structure=1 0; 0": "--structure: row 2",
            "--embedding_dim=10": "--embedding_dim=10: expected a multiple of --num_blocks=4",
            "--dataset=bad": "bad/train.txt:2: found 2 columns",
        },
        bad_questions={"--head=nobody --relation=interacts_with": "unknown entity 'nobody'"},
        files=_GRAPH,
    ),
    "coldnas": Case(
        settings={
            **_COMMON,
            "embedding_dim": 2,
            "hidden_units": "3",
            "context_dim": 4,
            "query_items": 3,
            "batch_size": 100,
            "keep_gain": 0.0,
            "supernets": 1,
        },
        question={"ratings": "user.csv", "top": 3},
        why={"ratings": "user.csv"},
        bad={
            "--hidden_units=abc": "--hidden_units='abc': expected widths",
            "--structure=twist; -": "'twist'",
            "--dataset=bad.csv": "bad.csv:2: found 2 columns",
        },
        bad_questions={
            "--ratings=none.csv": "none.csv: cannot be read",
            "--ratings=user.csv --user_features=job": "--user_features: found 'job'",
        },
        files={
            "user.csv": "item,rating\ni0,1\ni1,0\n",
            "bad.csv": "user,item,rating\nu0,i0\n",
        },
        slow=True,
    ),
    "red_gnn": Case(
        settings={
            **_COMMON,
            # Each message and aggregation has a program of its own at the end.
            "search_messages": "sum",
            "search_aggregations": "sum",
            # All entities are scored for each of 1,300 queries, and little is optimised in tests.
            "num_layers": 1,
            "hidden_dim": 2,
            "fact_share": 0.97,
            "attention_dim": 2,
            "search_attention_dims": "1,2",
            "search_activations": "relu,tanh",
            "batch_size": 100,
            "evaluation_batch_size": 200,
            "explained_answers": 5,
            "example_answers": 1,
        },
        question={**_QUERY, "top": 3},
        why={**_QUERY, "top": 1},
        bad={
            "--structure=message=times": "--structure: found 'times' for message",
            "--fact_share=1": "--fact_share=1",
            "--dataset=bad": "bad/train.txt:2: found 2 columns",
        },
        bad_questions={"--head=nobody --relation=interacts_with": "unknown entity 'nobody'"},
        files=_GRAPH,
        slow=True,
    ),
    "toy": Case(
        settings={**_COMMON, "presets": "line", "epochs": 20, "finalists": 1, "seeds": 2},
        question={"at": 0.5},
        why={"at": 0.5},
        bad={
            "--structure=x + y": "--structure: found 'x + y', expected a sum of x^5",
            "--learning_rate=0": "--learning_rate=0.0: out of range",
            "--dataset=bad.csv": "bad.csv: could not convert string 'b'",
            "--dataset=umls": "--dataset: found 'umls', which is a knowledge graph, expected a set",
        },
        bad_questions={"--at=11": "--at=11.0: out of range, expected -10 to 10"},
        files={"bad.csv": "0,1\n1,b\n"},
    ),
}


def parameters(names: Iterable[str]) -> list[Any]:
    """Return methods as parameters of a test."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[slow] if CASES[name].slow else []) for name in names]


ALL = parameters(CASES)
# What every program that searches refuses.
BAD = {
    "--candidates=0": "--candidates=0: out of range, expected at least 1",
    "--searcher=oracle": "--searcher=oracle: expected one of",
    "--presets=oracle": "--presets: found 'oracle'",
    "--dataset=nowhere": "--dataset: found no folder 'nowhere'",
    "--candidate=3": "--candidate: unknown flag, did you mean --candidates",
    "more": "more: unexpected argument",
}
