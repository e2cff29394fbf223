"""PyTorch is given the training that ours does."""

import jax
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.search.problem import EpochKeys
from tests.experiments.tiny_cold_start import tiny_cold_start

pytest.importorskip("torch")

import torch

from experiments.pytorch_baselines import modulation_cases
from experiments.pytorch_baselines.modulation import ModulationOutcome, train_users_one_by_one
from experiments.pytorch_baselines.modulation_batched import BatchedTrainer
from experiments.pytorch_baselines.modulation_cases import modulation_work

pytestmark = pytest.mark.usefixtures("compiled_plainly")
_RATE, _EPOCHS = 0.01, 3
_STRUCTURES = np.random.default_rng(1).random((2, 3, 4)) < 0.5


def _problem(batch_size=6, **data):
    options = ColdNASOptions(
        embedding_dim=4, hidden_units=(6, 5), context_dim=8, batch_size=batch_size, redraw=False
    )
    return ColdNASProblem(tiny_cold_start(**data), options)


def _our_losses(problem):
    """The losses [epochs, P] of our training, from the parameters that PyTorch starts from."""
    values = {"learning_rate": _RATE, "decay": 1.0, "weight_decay": 0.0, "unseen_rate": 0.0}

    @jax.jit
    def train(state, structure, epoch, keys):
        data = problem.data["train"]
        return problem.train_block(state, lambda key: structure, values, epoch, keys, data, ())

    init = jax.jit(problem.init)
    keys = jax.random.split(jax.random.key(0), len(_STRUCTURES))
    losses = np.zeros((_EPOCHS, len(_STRUCTURES)))
    for member, structure in enumerate(_STRUCTURES):
        state = init(keys[member], structure, values)
        for epoch in range(_EPOCHS):
            key = jax.random.key(epoch)
            state, losses[epoch, member] = train(
                state, structure, np.int32(epoch), EpochKeys(key, key)
            )
    return losses


@pytest.mark.slow
def test_both_pytorch_programs_reach_our_losses():
    # One batch holds all users, so that their order does not matter.
    problem = _problem(batch_size=6)
    work = modulation_work(problem, _STRUCTURES, _RATE, _EPOCHS)
    expected = _our_losses(problem)
    np.testing.assert_allclose(train_users_one_by_one(work).losses, expected, rtol=1e-4)
    found = BatchedTrainer(work, chunk_size=2, compiled=False).train()
    np.testing.assert_allclose(found.losses, expected, rtol=1e-4)


class _Batched:
    """Stands for `BatchedTrainer`: takes a second per structure, user and epoch."""

    def __init__(self, work, chunk_size, gradients=modulation_cases.gradients_by_vmap):
        self.work = work
        _Batched.made.append((len(work.structures), chunk_size))

    def train(self):
        return _seconds(self.work)


def _seconds(work):
    users = sum(len(batch) for epoch in work.batches() for batch in epoch)
    return ModulationOutcome(float(len(work.structures) * users), None, None)


def test_cases_time_what_they_say_a_user_and_structure(monkeypatch):
    """By programs that only note their work: a user of a structure takes a second in each."""
    in_turn, _Batched.made = {}, []
    for name in ("train_users_one_by_one", "train_users_one_by_one_by_tables"):
        monkeypatch.setattr(
            modulation_cases,
            name,
            lambda work, name=name: in_turn.setdefault(name, work) and _seconds(work),
        )
    monkeypatch.setattr(modulation_cases, "BatchedTrainer", _Batched)
    problem = _problem(batch_size=2, num_items=40, known_items=30, num_users=7)
    structures = np.random.default_rng(1).random((5, 3, 4)) < 0.5
    cases = modulation_cases.modulation_cases(problem, structures, _RATE, epochs=2, chunk_size=2)
    cores = torch.get_num_threads()
    expected = {case.name: 1 / cores if "ideal" in case.name else 1.0 for case in cases}
    assert {case.name: case.measure() for case in cases} == pytest.approx(expected)
    assert len(expected) == 7
    assert sum("ideal" in name for name in expected) == 2
    # All but the single structure in two chunks of two.
    assert sorted(_Batched.made) == [(1, 1), (4, 2), (4, 2)]
    dense, tables = in_turn.values()
    for work in (dense, tables):
        assert len(work.structures) == 1
        assert work.orders.shape == (1, 4)
    # As published, tables are of all items and users, and not of those trained only.
    assert dense.parameters["items"].shape == (1, 40, 4)
    assert tables.parameters["items"].shape == (1, 31, 4)
    for name, array in tables.parameters.items():
        rows = array.shape[1]
        np.testing.assert_array_equal(dense.parameters[name][:, :rows], array)


def test_several_values_an_item_are_refused():
    with pytest.raises(UserError, match=r"tiny: several fields.*--notorch"):
        modulation_work(_problem(width=2), _STRUCTURES, _RATE, _EPOCHS)
