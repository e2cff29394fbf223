"""The method decides the flags, wherever it stands on the command line."""

import pytest

from experiments.benchmarking.registry import BENCHMARKS, DEFAULT, method_asked


@pytest.mark.parametrize(
    ("arguments", "method"),
    [
        ([], DEFAULT),
        (["--dataset=umls"], DEFAULT),
        (["--method=coldnas"], "coldnas"),
        (["--dataset", "lastfm", "--notorch", "--method", "coldnas", "--help"], "coldnas"),
        (["--method"], DEFAULT),
        (["--method=nothing"], DEFAULT),
    ],
)
def test_the_method_is_found(arguments, method):
    assert method_asked(arguments) == method


@pytest.mark.parametrize("entry", BENCHMARKS.values(), ids=BENCHMARKS)
def test_every_method_has_defaults_that_hold(entry):
    assert entry.settings().dataset
