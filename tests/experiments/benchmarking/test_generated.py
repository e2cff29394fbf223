"""Random graphs of a given size."""

import numpy as np
import pytest

from experiments.benchmarking.generated import generated_graph, random_triples


def test_triples_follow_their_seed_and_a_power_law():
    triples = random_triples(20_000, 1000, 5, seed=1)
    np.testing.assert_array_equal(triples, random_triples(20_000, 1000, 5, seed=1))
    assert (triples != random_triples(20_000, 1000, 5, seed=2)).any()
    assert triples.dtype == np.int32
    assert (triples.min(axis=0) >= 0).all()
    assert (triples.max(axis=0) < [1000, 5, 1000]).all()
    for column, size in enumerate((1000, 5, 1000)):
        counts = np.sort(np.bincount(triples[:, column], minlength=size))[::-1]
        # The first n of N have a share of (n / N) ** (1 - skew).
        first = size // 5
        assert counts[:first].sum() / 20_000 == pytest.approx(0.2**0.4, abs=0.02)


def test_a_graph_has_the_size_that_is_asked_for_and_is_the_same_again():
    data = generated_graph(300, 60, 4, num_asked=9)
    graph = data.graph
    assert (data.name, graph.name, data.inductive) == ("generated", "generated", None)
    assert (graph.num_entities, graph.num_relations) == (60, 4)
    assert graph.training_triples.shape == (300, 3)
    assert graph.valid.shape == graph.test.shape == (9, 3)
    assert (graph.valid != graph.test).any()
    again = generated_graph(300, 60, 4, num_asked=9).graph
    for split in ("facts", "train", "valid", "test"):
        np.testing.assert_array_equal(getattr(graph, split), getattr(again, split))
