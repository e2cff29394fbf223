"""Individuals of several programs in one stage."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.runs.progress import Progress
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search.grouped_stage import GroupedStage
from kapl_jax.search.schedule import Schedule, full_training
from kapl_jax.search.stage import Stage
from kapl_jax.search.trainer import PopulationTrainer
from tests.search.test_trainer import make_individuals, make_trainer
from tests.search.toy_problem import fit_slowly

CONFIG = {"method": "toy", "settings": {}, "dataset": {}}


def group_of(one):
    """Return three groups, which come in turn."""
    return round(100 * one.hyperparameters["learning_rate"]) % 3


def run_grouped(folder, rounds, schedule):
    """Return the outcomes of all rounds, and of each stage its group, its label and its rounds."""
    run, opened = RunDirectory.open(folder, CONFIG), []

    def open_stage(group, label):
        stage = Stage(
            "search",
            make_trainer(2, 1),
            schedule,
            run,
            str,
            Progress("search", 1, enabled=False),
            group=label,
        )
        opened.append((group, label, stage))
        return stage

    grouped = GroupedStage(group_of, open_stage)
    try:
        outcomes = [grouped.train(number, part) for number, part in enumerate(rounds)]
    finally:
        run.close()
    return outcomes, opened, run


@pytest.fixture
def rounds():
    individuals = make_individuals(12)
    return [individuals[:5], individuals[5:]]


def test_outcomes_are_in_the_order_of_the_individuals(tmp_path, rounds):
    outcomes, opened, _ = run_grouped(tmp_path, rounds, full_training(3))
    for part, found in zip(rounds, outcomes, strict=True):
        assert [one.individual.id for one in found] == [one.id for one in part]
        assert all(one.record["id"] == one.individual.id for one in found)
    # One stage per group, in the order in which the groups come, opened once for all rounds.
    assert [group for group, _, _ in opened] == [group_of(one) for one in rounds[0][:3]]
    assert [label for _, label, _ in opened] == ["", "1", "2"]


def test_a_group_does_not_change_what_becomes_of_an_individual(tmp_path, rounds):
    outcomes, _, _ = run_grouped(tmp_path / "grouped", rounds, full_training(3))
    for part, found in zip(rounds, outcomes, strict=True):
        for one, outcome in zip(part, found, strict=True):
            alone = fit_slowly(one, 3)[-1]["valid"]
            np.testing.assert_allclose(outcome.score, alone, rtol=1e-3, atol=1e-6)


def test_early_dropping_is_within_a_group(tmp_path):
    individuals = make_individuals(9)
    (outcomes,), _, _ = run_grouped(tmp_path, [individuals], Schedule((1, 3), 1 / 3))
    complete = [group_of(one.individual) for one in outcomes if one.complete]
    assert sorted(complete) == [0, 1, 2]
    for group in range(3):
        members = [one for one in outcomes if group_of(one.individual) == group]
        assert len(members) == 3


def test_a_resumed_run_trains_nothing_again_and_keeps_the_limits(tmp_path, rounds, monkeypatch):
    first, _, run = run_grouped(tmp_path, rounds, full_training(3))
    limits = [event for event in run.events if event["event"] == "chunk_limit"]
    assert sorted(event["group"] for event in limits) == ["", "1", "2"]

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(PopulationTrainer, "train", refuse)
    again, _, resumed = run_grouped(tmp_path, rounds, full_training(3))
    assert [one.score for part in again for one in part] == [
        one.score for part in first for one in part
    ]
    assert len([e for e in resumed.events if e["event"] == "chunk_limit"]) == 3


def test_killed_between_groups_ends_with_the_same(tmp_path, rounds, monkeypatch):
    undisturbed, _, _ = run_grouped(tmp_path / "a", rounds, full_training(3))
    real, calls = PopulationTrainer.train, []

    def train_twice(self, chunk, epochs, after_part):
        calls.append(chunk)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return real(self, chunk, epochs, after_part)

    with monkeypatch.context() as patch:
        patch.setattr(PopulationTrainer, "train", train_twice)
        with pytest.raises(KeyboardInterrupt):
            run_grouped(tmp_path / "b", rounds, full_training(3))
    resumed, _, _ = run_grouped(tmp_path / "b", rounds, full_training(3))
    assert [one.score for part in resumed for one in part] == [
        one.score for part in undisturbed for one in part
    ]
