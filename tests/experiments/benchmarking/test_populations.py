"""What is trained in a measurement, by a trainer that only notes it and a clock that is set."""

import types

import numpy as np
import pytest

from experiments.benchmarking import populations
from experiments.benchmarking.populations import PopulationTimer

_CANDIDATES = np.arange(5)[:, None]
_EPOCHS, _UNITS = 3, 7


class _Trainer:
    """Trains at most two individuals at once, and takes a second per individual and epoch."""

    def __init__(self, chunk_size, clock):
        self.chunk_size, self.clock = chunk_size, clock
        self.started, self.trained = [], []

    def chunk_limit(self, individuals):
        return self.chunk_size or 2

    def layout(self, count, limit):
        return limit, [slice(first, first + limit) for first in range(0, count, limit)]

    def start(self, individuals, size):
        self.clock[0] += 1000.0  # does not count
        self.started.append(([int(one.candidate[0]) for one in individuals], size))
        return self.started[-1][0]

    def train(self, chunk, epochs):
        self.clock[0] += float(len(chunk) * epochs)
        self.trained.append((chunk, epochs))


@pytest.fixture
def timer(monkeypatch):
    clock, trainers = [0.0], []
    monkeypatch.setattr(populations, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))

    def make(problem, chunk_size):
        assert problem == "problem"
        trainers.append(_Trainer(chunk_size, clock))
        return trainers[-1]

    timer = PopulationTimer("problem", {"rate": 0.5}, _EPOCHS, _UNITS, make)
    return timer, trainers


def test_a_measurement_trains_all_chunks_further_and_gives_the_seconds_of_a_unit(timer):
    timer, trainers = timer
    case = timer.case("all", _CANDIDATES)
    assert case.name == "all"
    for _ in range(2):
        # A second per individual and epoch, of which a unit is a part.
        assert case.measure() == pytest.approx(1 / _UNITS)
    (trainer,) = trainers
    chunks = [[0, 1], [2, 3], [4]]
    assert trainer.started == [(chunk, 2) for chunk in chunks]
    assert trainer.trained == [(chunk, _EPOCHS) for chunk in chunks] * 2


def test_the_curve_is_of_the_first_candidates_with_programs_shared(timer):
    timer, trainers = timer
    curve = timer.curve(_CANDIDATES, [1, 3], chunk_size=4)
    assert {size: case.name for size, case in curve.items()} == {
        1: "population of 1",
        3: "population of 3",
    }
    for case in curve.values():
        case.measure()
    timer.case("with another size", _CANDIDATES, chunk_size=5).measure()
    assert [trainer.chunk_size for trainer in trainers] == [4, 5]
    assert [chunk for chunk, _ in trainers[0].started] == [[0], [0, 1, 2]]


def test_one_epoch_is_of_the_first_chunk_and_warmed_up(timer):
    timer, trainers = timer
    train = timer.one_epoch(_CANDIDATES)
    (trainer,) = trainers
    assert trainer.trained == [([0, 1], 1)]
    train()
    assert trainer.trained == [([0, 1], 1)] * 2
