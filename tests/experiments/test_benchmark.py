"""The method decides the flags, wherever it stands on the command line."""

import dataclasses

import pytest

from experiments.benchmark import BENCHMARKS, method_asked
from experiments.benchmarking.generated import GENERATED
from kapl_jax.data.registry import GRAPHS, RATINGS, find_dataset

_KINDS = {"autoblm": GRAPHS, "coldnas": RATINGS, "red_gnn": GRAPHS}


@pytest.mark.parametrize(
    ("arguments", "method"),
    [
        ([], "autoblm"),
        (["--dataset=umls"], "autoblm"),
        (["--method=coldnas"], "coldnas"),
        (["-method", "red_gnn"], "red_gnn"),
        (["--dataset", "lastfm", "--notorch", "--method", "coldnas", "--help"], "coldnas"),
        (["--method=coldnas", "--method=red_gnn"], "red_gnn"),
        (["--method"], "autoblm"),
        (["--method=nothing"], "autoblm"),
    ],
)
def test_the_method_is_found(arguments, method):
    assert method_asked(arguments) == method


@pytest.mark.parametrize("method", BENCHMARKS)
def test_the_default_data_of_a_method_are_known_and_of_its_kind(method):
    kind, _ = BENCHMARKS[method]
    found = find_dataset(kind().dataset)
    assert found is not None
    assert found.kind is _KINDS[method]


@pytest.mark.parametrize("method", BENCHMARKS)
def test_every_flag_has_a_default_that_its_own_range_allows(method):
    kind, _ = BENCHMARKS[method]
    for field in dataclasses.fields(kind):
        assert not field.metadata["choices"] or field.default in field.metadata["choices"]
        kind(**{field.name: field.default})


def test_no_registered_graph_has_the_name_of_generated_ones():
    assert find_dataset(GENERATED) is None
