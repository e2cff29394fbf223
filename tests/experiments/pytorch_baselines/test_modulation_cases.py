"""PyTorch is given the training that ours does."""

import jax
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASOptions, ColdNASProblem
from kapl_jax.search.problem import EpochKeys
from tests.experiments.tiny_cold_start import tiny_cold_start

pytest.importorskip("torch")

from experiments.pytorch_baselines.modulation import train_users_one_by_one
from experiments.pytorch_baselines.modulation_batched import BatchedTrainer
from experiments.pytorch_baselines.modulation_cases import modulation_work, torch_modulation_cases

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiled_plainly")]
_RATE, _EPOCHS = 0.01, 3
_STRUCTURES = np.random.default_rng(1).random((2, 3, 4)) < 0.5


def _problem(**data):
    # One batch holds all users, so that their order does not matter.
    options = ColdNASOptions(
        embedding_dim=4, hidden_units=(6, 5), context_dim=8, batch_size=6, redraw=False
    )
    return ColdNASProblem(tiny_cold_start(**data), options)


def _our_losses(problem):
    """The losses [epochs, P] of our training, from the parameters that PyTorch starts from."""
    values = {"learning_rate": _RATE, "decay": 1.0, "weight_decay": 0.0, "unseen_rate": 0.0}
    init, train = jax.jit(problem.init), jax.jit(problem.train_epoch)
    keys = jax.random.split(jax.random.key(0), len(_STRUCTURES))
    losses = np.zeros((_EPOCHS, len(_STRUCTURES)))
    for member, structure in enumerate(_STRUCTURES):
        state = init(keys[member], structure, values)
        for epoch in range(_EPOCHS):
            key = jax.random.key(epoch)
            epoch_keys = EpochKeys(key, key)
            state, losses[epoch, member] = train(
                state, structure, values, np.int32(epoch), epoch_keys, problem.data
            )
    return losses


def test_both_pytorch_programs_reach_our_losses():
    problem = _problem()
    work = modulation_work(problem, _STRUCTURES, _RATE, _EPOCHS)
    expected = _our_losses(problem)
    np.testing.assert_allclose(train_users_one_by_one(work).losses, expected, rtol=1e-4)
    found = BatchedTrainer(work, chunk_size=2, compiled=False).train()
    np.testing.assert_allclose(found.losses, expected, rtol=1e-4)


def test_user_by_user_is_timed_with_tables_of_all_items_and_without():
    cases = torch_modulation_cases(_problem(), _STRUCTURES, _RATE, epochs=1, chunk_size=2)
    assert len({case.name for case in cases}) == len(cases) == 7
    assert all(case.measure() > 0 for case in cases[:2])


def test_several_values_an_item_are_refused():
    with pytest.raises(UserError, match=r"tiny: several fields.*--notorch"):
        modulation_work(_problem(width=2), _STRUCTURES, _RATE, _EPOCHS)
