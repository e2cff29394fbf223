from __future__ import annotations

import contextlib
import json
import os
import signal
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.runs import interruption
from kapl_jax.runs.interruption import Interruption
from kapl_jax.runs.progress import Progress
from kapl_jax.runs.run_directory import RunDirectory
from kapl_jax.search import chunk_training
from kapl_jax.search.individual import Individual
from kapl_jax.search.problem import Problem, TrainingState
from kapl_jax.search.schedule import Schedule, full_training, successive_halving
from kapl_jax.search.stage import Stage
from kapl_jax.search.trainer import PopulationTrainer
from tests.runs.damage import DAMAGES, files_below
from tests.search.test_trainer import EPOCHS, both_kinds, make_individuals, make_trainer
from tests.search.toy_problem import ENDS, StreamedLine, fit_slowly

CONFIG = {"method": "toy", "settings": {}, "dataset": {}}


class Killed(Exception):
    """Stands for a kill at any moment."""


def run_stage(
    folder,
    individuals,
    schedule,
    *,
    trainer=None,
    chunk_size=4,
    evaluate_every=0,
    finish=None,
    **more,
):
    run = RunDirectory.open(folder, CONFIG)
    trainer = trainer or make_trainer(chunk_size, 2)
    stage = Stage(
        "search",
        trainer,
        schedule,
        run,
        str,
        Progress("search", 1, enabled=False),
        evaluate_every=evaluate_every,
        finish=finish,
        **more,
    )
    try:
        return [stage.train(number, part) for number, part in enumerate(individuals)]
    finally:
        run.close()


def rounds():
    individuals = make_individuals(22)
    return [individuals[:11], individuals[11:]]


def scores(outcomes):
    return np.array([one.score for part in outcomes for one in part])


SCHEDULES = [full_training(6), successive_halving(9, 3, 3), Schedule((2, 5), 0.5)]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("evaluate_every", [0, 2])
def test_killed_anywhere_ends_with_the_same(tmp_path, monkeypatch, schedule, evaluate_every):
    undisturbed = run_stage(tmp_path / "a", rounds(), schedule, evaluate_every=evaluate_every)
    real, calls = PopulationTrainer.train, {"left": 3, "epochs": 0}

    def train_until_killed(self, chunk, epochs, after_part):
        if calls["left"] == 0:
            raise Killed
        calls["left"] -= 1
        return real(self, chunk, epochs, after_part)

    monkeypatch.setattr(PopulationTrainer, "train", train_until_killed)
    # One call per epoch and a checkpoint after each: every moment of the training can be resumed.
    monkeypatch.setattr(chunk_training, "_SECONDS_PER_CALL", 0.0)
    for _ in range(200):
        calls["left"] = 3
        try:
            resumed = run_stage(
                tmp_path / "b",
                rounds(),
                schedule,
                evaluate_every=evaluate_every,
                checkpoint_seconds=0.0,
            )
            break
        except Killed:
            continue
    np.testing.assert_array_equal(scores(undisturbed), scores(resumed))
    lines = (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()
    trained = [e["id"] for e in map(json.loads, lines) if e["event"] == "candidate"]
    assert len(trained) == len(set(trained)) == 22


@pytest.mark.parametrize("evaluate_every", [0, 1])
def test_killed_within_an_epoch_ends_with_the_same(tmp_path, monkeypatch, evaluate_every):
    def run(folder, **more):
        trainer, schedule = make_trainer(3, 2, "streamed"), full_training(EPOCHS)
        more |= {"trainer": trainer, "evaluate_every": evaluate_every}
        return run_stage(folder, [make_individuals(5)], schedule, **more)

    undisturbed = run(tmp_path / "a")
    blocks, weight = {"until kill": 2, "trained": 0}, StreamedLine.weight

    def weight_until_killed(self, block):
        if blocks["until kill"] == 0:
            raise Killed
        blocks["until kill"] -= 1
        blocks["trained"] += 1
        return weight(self, block)

    monkeypatch.setattr(StreamedLine, "weight", weight_until_killed)
    resumed = None
    while resumed is None:
        blocks["until kill"] = 2
        with contextlib.suppress(Killed):
            resumed = run(tmp_path / "b", checkpoint_seconds=0.0)
    np.testing.assert_array_equal(scores(undisturbed), scores(resumed))
    # A block is trained again only where the kill came before its checkpoint.
    assert blocks["trained"] == 2 * EPOCHS * len(ENDS)
    losses = [[one.record["loss"] for one in part[0]] for part in (undisturbed, resumed)]
    assert losses[0] == losses[1]


def test_recorded_individuals_are_not_trained_again(tmp_path, monkeypatch):
    first = run_stage(tmp_path, rounds(), full_training(3))

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(PopulationTrainer, "train", refuse)
    again = run_stage(tmp_path, rounds(), full_training(3))
    np.testing.assert_array_equal(scores(first), scores(again))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_killed_before_checkpoints_are_removed_they_are_by_the_next(
    tmp_path, monkeypatch, schedule
):
    def forget(*_):
        raise Killed

    # One call per epoch, so that there is a checkpoint.
    monkeypatch.setattr(chunk_training, "_SECONDS_PER_CALL", 0.0)
    individuals, folder = make_individuals(4), tmp_path / "checkpoints" / "search-in-training"
    with monkeypatch.context() as patch:
        patch.setattr(chunk_training.ChunkTraining, "forget", forget)
        with pytest.raises(Killed):
            run_stage(tmp_path, [individuals], schedule, checkpoint_seconds=0.0)
    assert folder.exists()
    run_stage(tmp_path, [individuals], schedule)
    assert not folder.exists()


@both_kinds
def test_halving_equals_fits_one_by_one(tmp_path, kind):
    """And who stays is the best of those fits; the survivor is as if trained alone to the end."""
    individuals, schedule = make_individuals(9), successive_halving(9, 3, 3)
    assert schedule.rungs == (1, 3, 9)
    trainer = make_trainer(4, 2, kind)
    (outcomes,) = run_stage(tmp_path, [individuals], schedule, trainer=trainer)
    fits = [fit_slowly(one, 9, kind) for one in individuals]
    assert sorted(one.record["epochs"] for one in outcomes) == [1] * 6 + [3] * 2 + [9]
    assert sum(one.complete for one in outcomes) == 1
    alive, lasts = list(range(9)), dict[int, int]()
    for rung in schedule.rungs:
        lasts |= dict.fromkeys(alive, rung)
        # The last state counts where none is evaluated on the way.
        ranked = sorted(alive, key=lambda one, rung=rung: -fits[one][rung]["valid"])
        alive = ranked[: len(alive) // 3]
    for index, (one, fit) in enumerate(zip(outcomes, fits, strict=True)):
        last = lasts[index]
        assert (one.record["epochs"], one.complete) == (last, last == 9)
        assert one.score == pytest.approx(fit[last]["valid"], rel=5e-3)
        assert one.record["loss"] == pytest.approx(fit[last]["loss"], rel=5e-3)


@both_kinds
def test_the_best_of_all_epochs_is_kept_and_the_last_trained_on(tmp_path, kind):
    """As of a fit one by one, whose every epoch is looked at."""
    individuals, trainer = make_individuals(4), make_trainer(4, 2, kind)

    def finish(chunk):
        variables = trainer.fetch_arrays(chunk, chunk.population.state.variables)
        tested = trainer.evaluate(chunk, "test")
        closeness = trainer.problem.metrics("test", tested)["closeness"]
        return [
            {"w": w.tolist(), "test": float(value)}
            for w, value in zip(variables["params"]["w"], closeness, strict=True)
        ]

    # Large rates: what is best is not the last.
    for one in individuals:
        object.__setattr__(one, "hyperparameters", {"learning_rate": 0.4})
    (outcomes,) = run_stage(
        tmp_path,
        [individuals],
        full_training(6),
        trainer=trainer,
        evaluate_every=1,
        finish=finish,
    )
    best_epochs = set()
    for one in outcomes:
        fit = fit_slowly(one.individual, 6, kind)
        best = max(range(1, 7), key=lambda epoch: fit[epoch]["valid"])
        best_epochs.add(best)
        assert one.record["epochs"] == best
        assert one.score == pytest.approx(fit[best]["valid"], rel=5e-3)
        np.testing.assert_allclose(one.record["w"], fit[best]["w"], rtol=1e-3)
        assert one.record["test"] == pytest.approx(fit[best]["test"], rel=5e-3)
        assert one.record["loss"] == pytest.approx(fit[6]["loss"], rel=5e-3)
    assert best_epochs - {6}


class CurveProblem(Problem):
    """The state counts its epochs; the candidate float32[E] is the score after each of them."""

    objective = "height"

    def __init__(self):
        self.data = {"train": (), "valid": (), "test": ()}

    def init(self, key, candidate, hyperparameters):
        del key, candidate, hyperparameters
        return TrainingState({"params": {}, "epochs": jnp.int32(0)}, ())

    def train_block(self, state, candidate_of_step, hyperparameters, epoch, keys, data, block):
        # Counts only where it goes on from the state that it left.
        follows = state.variables["epochs"] == epoch
        variables = {"params": {}, "epochs": jnp.where(follows, epoch + 1, -99)}
        return TrainingState(variables, ()), jnp.float32(0) * candidate_of_step(keys.own)[0]

    def evaluate_block(self, variables, candidate, data, block):
        epochs = variables["epochs"]
        return {"height": candidate[epochs - 1], "count": epochs.astype(jnp.float32)}

    def metrics(self, split, values):
        return values[0]


def halve_slowly(curves, schedule, every):
    """Return score, best epoch and last epoch of each curve, computed the obvious way."""
    best = [(-np.inf, 0)] * len(curves)
    last = [0] * len(curves)
    alive = list(range(len(curves)))
    for rung in schedule.rungs:
        for one in alive:
            for epoch in range(last[one] + 1, rung + 1):
                if epoch % every == 0 or epoch == rung:
                    best[one] = max(best[one], (curves[one][epoch - 1], epoch), key=lambda b: b[0])
            last[one] = rung
        count = max(1, int(np.ceil(len(alive) * schedule.keep)))
        alive = sorted(sorted(alive, key=lambda one: -best[one][0])[:count])
    return [(score, epoch, end) for (score, epoch), end in zip(best, last, strict=True)]


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize(
    "schedule", [Schedule((4, 6), 0.5), successive_halving(9, 3, 3), full_training(7)]
)
def test_halving_with_evaluation_on_the_way_equals_the_obvious_loop(tmp_path, schedule, every):
    rng = np.random.default_rng(every)
    # Distinct small whole numbers: no two scores are equal, none is rounded.
    curves = rng.permutation(90).reshape(10, 9).astype(np.float32)
    curves[0] = [3, 1, 2, 0, 95, 96, 97, 98, 99]
    individuals = [Individual(curve, {"learning_rate": 0.1}, 0) for curve in curves]
    trainer = PopulationTrainer(CurveProblem(), 4, jax.devices()[:2])

    def finish(chunk):
        variables = trainer.fetch_arrays(chunk, chunk.population.state.variables)
        return [{"of_epoch": int(count)} for count in variables["epochs"]]

    (outcomes,) = run_stage(
        tmp_path, [individuals], schedule, trainer=trainer, evaluate_every=every, finish=finish
    )
    expected = halve_slowly(curves, schedule, every)
    found = [(one.score, one.record["epochs"], one.record["of_epoch"]) for one in outcomes]
    assert found == [(score, epoch, epoch) for score, epoch, _ in expected]
    assert [one.record["valid"]["count"] for one in outcomes] == [e for _, e, _ in expected]
    assert [one.complete for one in outcomes] == [e == schedule.epochs for _, _, e in expected]


def refuse_chunks(monkeypatch, largest, at="train"):
    """Let a device have memory for chunks of `largest` only; return the sizes that are tried."""
    real, tried = getattr(PopulationTrainer, at), []

    def limited(self, chunk, *arguments):
        size = chunk.size
        tried.append(size)
        if size > largest:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        return real(self, chunk, *arguments)

    monkeypatch.setattr(PopulationTrainer, at, limited)
    return tried


@pytest.mark.parametrize("at", ["train", "evaluate"])
@pytest.mark.parametrize("schedule", [full_training(6), Schedule((2, 5), 0.5)])
def test_out_of_memory_halves_the_chunk(tmp_path, monkeypatch, schedule, at):
    undisturbed = run_stage(tmp_path / "a", rounds(), schedule, chunk_size=8)
    tried = refuse_chunks(monkeypatch, 2, at)
    for _ in range(2):
        found = run_stage(tmp_path / "b", rounds(), schedule, chunk_size=8, checkpoint_seconds=0.0)
        np.testing.assert_allclose(scores(undisturbed), scores(found), rtol=1e-5)
    events = list(map(json.loads, (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()))
    limits = [event["limit"] for event in events if event["event"] == "chunk_limit"]
    assert limits[-1] <= 2 < limits[0] == 8
    # What was tried too large once is not tried again.
    assert sorted(tried, reverse=True) == tried
    ids = [event["id"] for event in events if event["event"] == "candidate"]
    assert len(ids) == len(set(ids)) == 22


def test_a_smaller_chunk_goes_on_where_the_larger_one_was(tmp_path, monkeypatch):
    individuals, schedule = make_individuals(8), full_training(6)
    (undisturbed,) = run_stage(tmp_path / "a", [individuals], schedule, chunk_size=8)
    real, trained = PopulationTrainer.train, []

    def train(self, chunk, epochs, after_part):
        if chunk.epoch == 4 and len(chunk.individuals) == 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        trained.append((len(chunk.individuals), chunk.epoch))
        return real(self, chunk, epochs, after_part)

    monkeypatch.setattr(PopulationTrainer, "train", train)
    monkeypatch.setattr(chunk_training, "_SECONDS_PER_CALL", 0.0)
    (found,) = run_stage(
        tmp_path / "b", [individuals], schedule, chunk_size=8, checkpoint_seconds=0.0
    )
    assert trained == [(8, 0), (8, 1), (8, 2), (8, 3), *[(4, 4), (4, 5)] * 2]
    np.testing.assert_allclose(scores([undisturbed]), scores([found]), rtol=1e-5)
    assert not (tmp_path / "b" / "checkpoints" / "search-in-training").exists()


@pytest.mark.parametrize("evaluate_every", [0, 2])
def test_a_chunk_is_released_before_the_next_one_starts(tmp_path, monkeypatch, evaluate_every):
    real, started = PopulationTrainer.start, []

    def start(self, members, size):
        assert all(chunk() is None for chunk in started)
        chunk = real(self, members, size)
        started.append(weakref.ref(chunk))
        return chunk

    monkeypatch.setattr(PopulationTrainer, "start", start)
    run_stage(tmp_path, rounds(), full_training(4), evaluate_every=evaluate_every)
    assert len(started) == 6


def test_one_candidate_that_does_not_fit_is_one_line(tmp_path, monkeypatch):
    refuse_chunks(monkeypatch, 0)
    with pytest.raises(UserError, match=r"^search: one individual is too large for the memory"):
        run_stage(tmp_path, rounds(), full_training(2))


def test_other_errors_of_the_device_are_raised(tmp_path, monkeypatch):
    def fail(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: a broken device")

    monkeypatch.setattr(PopulationTrainer, "train", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        run_stage(tmp_path, rounds(), full_training(2))


def test_the_chunk_size_of_a_continued_run_may_change(tmp_path, monkeypatch):
    undisturbed = run_stage(tmp_path / "a", rounds(), full_training(6), chunk_size=8)
    real, calls = PopulationTrainer.start, [0]

    def start(self, members, size):
        calls[0] += 1
        if calls[0] == 2:
            raise Killed
        return real(self, members, size)

    monkeypatch.setattr(PopulationTrainer, "start", start)
    with pytest.raises(Killed):
        run_stage(tmp_path / "b", rounds(), full_training(6), chunk_size=8)
    found = run_stage(tmp_path / "b", rounds(), full_training(6), chunk_size=2)
    np.testing.assert_allclose(scores(undisturbed), scores(found), rtol=1e-5)
    events = list(map(json.loads, (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()))
    limits = [(event["asked"], event["limit"]) for event in events if "asked" in event]
    assert limits == [(8, 8), (2, 2)]


def test_the_bar_counts_every_epoch_once(tmp_path, monkeypatch):
    refuse_chunks(monkeypatch, 4, "evaluate")
    counted = []
    monkeypatch.setattr(Progress, "advance", lambda self, amount, note="": counted.append(amount))
    schedule = Schedule((2, 5), 0.5)
    run_stage(tmp_path, rounds(), schedule, chunk_size=8)
    assert sum(counted) == 2 * schedule.cost(11)


def test_scores_on_the_way_are_recorded(tmp_path):
    individuals = make_individuals(4)
    kept = run_stage(tmp_path, [individuals], full_training(6), evaluate_every=2)[0]
    events = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    evaluated = [event for event in events if event["event"] == "epoch" and "scores" in event]
    assert [event["epoch"] for event in evaluated] == [2, 4, 6]
    assert [event["score"] for event in evaluated] == [max(event["scores"]) for event in evaluated]
    best = np.max([event["scores"] for event in evaluated], axis=0)
    np.testing.assert_allclose([one.score for one in kept], best, rtol=1e-6)


def test_finish_adds_to_the_record_and_sees_the_chunk(tmp_path):
    def finish(chunk):
        variables = make_trainer(4, 2).fetch_arrays(chunk, chunk.population.state.variables)
        return [{"slope": float(w[0])} for w in variables["params"]["w"]]

    (outcomes,) = run_stage(tmp_path, [make_individuals(7)], full_training(20), finish=finish)
    for one in outcomes:
        assert one.record["slope"] == pytest.approx(one.record["valid"]["slope"])


def test_diverged_individuals_come_last(tmp_path):
    individuals = make_individuals(3)
    object.__setattr__(individuals[1], "hyperparameters", {"learning_rate": 1e30})
    (outcomes,) = run_stage(tmp_path, [individuals], full_training(3))
    assert outcomes[1].score == -np.inf
    assert np.isfinite(outcomes[0].score)
    (again,) = run_stage(tmp_path, [individuals], full_training(3))
    assert again[1].score == -np.inf


@pytest.mark.parametrize("schedule", [full_training(6), Schedule((2, 5), 0.5)])
def test_nobody_is_trained_twice(tmp_path, monkeypatch, schedule):
    """Neither who is given twice nor who was in an earlier round; and each gets its result."""
    individuals = make_individuals(5)
    trained = []
    real = PopulationTrainer.start

    def start(self, members, size):
        trained.extend(one.id for one in members)
        return real(self, members, size)

    monkeypatch.setattr(PopulationTrainer, "start", start)
    given = [[*individuals[:3], individuals[0]], [individuals[1], *individuals[3:]], individuals]
    for _ in range(2):
        found = run_stage(tmp_path, given, schedule)
        assert [[one.individual.id for one in part] for part in found] == [
            [one.id for one in part] for part in given
        ]
        assert found[0][0].score == found[0][3].score == found[2][0].score
        assert sorted(trained) == sorted(one.id for one in individuals)
    recorded = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    ids = [event["id"] for event in recorded if event["event"] == "candidate"]
    assert sorted(ids) == sorted(one.id for one in individuals)


@pytest.mark.parametrize("name", ["tag.json", None])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_trained_again(tmp_path, monkeypatch, capsys, damage, name):
    individuals, schedule = make_individuals(4), full_training(3)
    undisturbed = run_stage(tmp_path / "a", [individuals], schedule)
    real = PopulationTrainer.train

    def train(self, chunk, epochs, after_part):
        if chunk.epoch == 2:
            raise Killed
        return real(self, chunk, epochs, after_part)

    monkeypatch.setattr(chunk_training, "_SECONDS_PER_CALL", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(PopulationTrainer, "train", train)
        with pytest.raises(Killed):
            run_stage(tmp_path / "b", [individuals], schedule, checkpoint_seconds=0.0)
    (saved,) = (tmp_path / "b" / "checkpoints" / "search-in-training").iterdir()
    for file in files_below(saved):
        if name in (None, file.name):
            DAMAGES[damage](file)
    found = run_stage(tmp_path / "b", [individuals], schedule)
    np.testing.assert_array_equal(scores(undisturbed), scores(found))
    printed = capsys.readouterr().err
    assert printed.startswith(f"warning: {saved}: the checkpoint is damaged: ")
    assert printed.count("\n") == 1


def test_what_is_lost_of_recorded_individuals_is_made_again(tmp_path):
    individuals, schedule, finished = make_individuals(6), full_training(2), []

    def finish(chunk):
        finished.extend(one.id for one in chunk.individuals)
        return [{} for _ in chunk.individuals]

    run_stage(tmp_path, [individuals], schedule, finish=finish)
    before = (tmp_path / "metrics.jsonl").read_text().count("candidate")
    finished.clear()
    again = {individuals[1].id, individuals[4].id}
    run = RunDirectory.open(tmp_path, CONFIG)
    bar = Progress("search", 1, enabled=False)
    stage = Stage("search", make_trainer(4, 2), schedule, run, str, bar, finish=finish)
    outcomes = stage.train(0, individuals, again)
    run.close()
    assert set(finished) == again
    assert [one.individual.id for one in outcomes] == [one.id for one in individuals]
    assert (tmp_path / "metrics.jsonl").read_text().count("candidate") == before


@pytest.fixture
def _signals(monkeypatch):
    before = signal.signal(signal.SIGUSR1, interruption._handle)
    monkeypatch.setattr(interruption, "_STATE", interruption._State())
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("place", ["train", "evaluate", "start"])
@pytest.mark.parametrize("schedule", [full_training(3), Schedule((1, 3), 0.5)])
def test_no_work_is_lost_by_a_signal(tmp_path, monkeypatch, schedule, place):
    """Between two checkpoints far from each other."""

    def run(folder):
        individuals = [make_individuals(6)]
        return run_stage(folder, individuals, schedule, chunk_size=2, evaluate_every=1)

    monkeypatch.setattr(chunk_training, "_SECONDS_PER_CALL", 0.0)
    trained, real_train = [], PopulationTrainer.train

    def train(self, chunk, epochs, after_part):
        trained.extend((one.id, chunk.epoch) for one in chunk.individuals)
        return real_train(self, chunk, epochs, after_part)

    monkeypatch.setattr(PopulationTrainer, "train", train)
    undisturbed = run(tmp_path / "a")
    expected = sorted(trained)
    trained.clear()
    real = getattr(PopulationTrainer, place)

    def signalled(self, *arguments):
        found = real(self, *arguments)
        os.kill(os.getpid(), signal.SIGUSR1)
        return found

    monkeypatch.setattr(PopulationTrainer, place, signalled)
    for attempt in range(100):
        if place == "start" and attempt == 3:
            monkeypatch.setattr(PopulationTrainer, place, real)
        try:
            found = run(tmp_path / "b")
            break
        except Interruption:
            interruption._STATE.asked = None
    np.testing.assert_array_equal(scores(undisturbed), scores(found))
    assert sorted(trained) == expected
