"""What a candidate becomes depends neither on its company nor on how the work is split."""

from __future__ import annotations

from functools import cache, cached_property

import jax
import numpy as np
import pytest

from kapl_jax.methods import METHODS
from kapl_jax.runs.settings import make_settings
from kapl_jax.search.individual import Individual
from kapl_jax.search.searchers import REGISTRY
from kapl_jax.search.shared_weights import SharedWeights, Supernet
from kapl_jax.search.trainer import PopulationTrainer
from tests.contract.cases import ALL, CASES, parameters
from tests.contract.toy import TOY

EPOCHS, COUNT = 2, 5
# Company changes how loops are cut into vectors, and so the order of sums: rounding errors of
# single precision, which optimizers that divide by a gradient's size make more of where it is
# small.
TOLERANCE = 2e-5


class Setup:
    """The problem of a method's case, and a few different individuals of it."""

    def __init__(self, name: str) -> None:
        method = {**METHODS, TOY.name: TOY}[name]
        given = {**CASES[name].settings, "dataset": method.embedded, "tuning_samples": COUNT}
        settings = make_settings(method.settings, given, method.suggested)
        self.settings, self.space = settings, method.space(settings)
        structures = self.space.sample(np.random.default_rng(3), 50)
        options = method.options(settings, structures[0], False)
        fits = [
            method.options(settings, one, False) == options and self.space.is_valid(one[None])[0]
            for one in structures
        ]
        # The first of these in order may have no part that can be trained.
        self.structures = np.unique(structures[fits], axis=0)[::-1][:COUNT]
        assert len(self.structures) == COUNT
        hyperparameters = settings.sampled_hyperparameters()
        self.individuals = [
            Individual(self.structures[i], hyperparameters[i], i % 2) for i in range(COUNT)
        ]
        self.problem = method.problem(method.load(settings, {}), options)
        self.trainers = {count: self.trainer(count) for count in (1, len(jax.devices()))}

    def trainer(self, devices: int, problem=None) -> PopulationTrainer:
        return PopulationTrainer(problem or self.problem, devices=jax.devices()[:devices])

    def train(self, members, chunk_size=0, devices=1, stop_after=None):
        """Return variables, losses and validation metrics, the population axis first."""
        trainer, parts = self.trainers[devices], []
        size, slices = trainer.layout(len(members), chunk_size or len(members))
        for part in slices:
            chunk = trainer.start(members[part], size)
            if stop_after:
                trainer.train(chunk, stop_after)
                chunk = trainer.place(members[part], size, trainer.fetch(chunk), chunk.epoch)
            trainer.train(chunk, EPOCHS - chunk.epoch)
            found = trainer.fetch(chunk)
            metrics = trainer.problem.metrics("valid", trainer.evaluate(chunk, "valid"))
            parts.append((found.state.variables, found.losses, metrics))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    @cached_property
    def together(self):
        return self.train(self.individuals)


setup_of = cache(Setup)


def assert_equal_up_to_rounding(found, expected, rows=slice(None)):
    (variables, losses, metrics), expected = found, jax.tree.map(lambda leaf: leaf[rows], expected)

    def close(one, other):
        np.testing.assert_allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)

    jax.tree.map(close, (variables, losses), expected[:2])
    # A rank may change where two scores are all but equal.
    assert metrics.keys() == expected[2].keys()
    for name, values in metrics.items():
        np.testing.assert_allclose(values, expected[2][name], rtol=5e-3, err_msg=name)


@pytest.mark.parametrize("name", ALL)
def test_alone_as_in_company(name):
    setup = setup_of(name)
    for index in (0, 3):
        alone = setup.train([setup.individuals[index]])
        assert_equal_up_to_rounding(alone, setup.together, slice(index, index + 1))


@pytest.mark.parametrize("name", ALL)
def test_in_other_chunks_of_which_the_last_is_filled_up(name):
    setup = setup_of(name)
    assert_equal_up_to_rounding(setup.train(setup.individuals, chunk_size=3), setup.together)


@pytest.mark.parametrize("name", ALL)
def test_on_all_devices(name):
    setup, count = setup_of(name), len(jax.devices())
    if count == 1:
        pytest.skip("there is one device")
    assert_equal_up_to_rounding(setup.train(setup.individuals, devices=count), setup.together)


@pytest.mark.parametrize("name", ALL)
def test_resumed_it_is_the_very_same(name):
    setup = setup_of(name)
    resumed = setup.train(setup.individuals, stop_after=1)
    jax.tree.map(np.testing.assert_array_equal, resumed, setup.together)


@pytest.mark.parametrize("name", ALL)
def test_candidates_hyperparameters_and_seeds_matter(name):
    """Else the tests above would prove nothing."""
    setup = setup_of(name)
    first = setup.individuals[0]
    others = [
        Individual(setup.structures[1], first.hyperparameters, first.seed),
        Individual(first.candidate, setup.individuals[1].hyperparameters, first.seed),
        Individual(first.candidate, first.hyperparameters, 1),
    ]
    # As many as before, and of two seeds: no program is compiled for this.
    variables, _, _ = setup.train([first, *others, first])
    leaves = [leaf.reshape(COUNT, -1) for leaf in jax.tree.leaves(variables["params"])]
    rows = np.concatenate(leaves, axis=1)
    np.testing.assert_array_equal(rows[0], rows[4])
    for other in rows[1:4]:
        assert np.abs(rows[0] - other).max() > 1e-3


def offers_one_shot(name: str) -> bool:
    (searcher,) = [
        field
        for field in {**METHODS, TOY.name: TOY}[name].settings.__dataclass_fields__.values()
        if field.name == "searcher"
    ]
    return "one_shot" in (searcher.metadata["choices"] or REGISTRY)


ONE_SHOT = [name for name in CASES if offers_one_shot(name)]


def test_some_methods_search_by_shared_weights():
    assert {"autoblm", "coldnas", "toy"} <= set(ONE_SHOT)


def train_supernet(setup, pool):
    problem, individual = Supernet(setup.problem, pool), setup.individuals[0]
    trainer = setup.trainer(1, problem)
    chunk = trainer.start([individual], 1)
    trainer.train(chunk, EPOCHS)
    return jax.tree.map(lambda leaf: leaf[0], trainer.fetch(chunk).state.variables)


@pytest.mark.parametrize("name", parameters(ONE_SHOT))
def test_a_supernet_of_one_candidate_is_that_candidate(name):
    setup = setup_of(name)
    found = train_supernet(setup, setup.structures[:1])
    alone, _, _ = setup.train(setup.individuals[:1])
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(
            one, other[0], rtol=TOLERANCE, atol=TOLERANCE
        ),
        found,
        alone,
    )


@pytest.mark.parametrize("name", parameters(ONE_SHOT))
def test_shared_weights_score_each_candidate_as_its_own_model(name):
    setup = setup_of(name)
    # Trained under another candidate than most that are scored.
    variables, _, _ = setup.train(setup.individuals[:1])
    shared = jax.tree.map(lambda leaf: leaf[0], variables)
    scores = SharedWeights(setup.problem, shared, jax.devices()[:1]).scores(setup.structures)
    trainer = setup.trainers[1]
    chunk = trainer.start(setup.individuals, COUNT)
    repeated = jax.tree.map(lambda leaf: np.repeat(leaf, COUNT, axis=0), variables)
    placed = chunk.programs.placement.place_split(repeated)
    metrics = setup.problem.metrics("valid", trainer.evaluate(chunk, "valid", placed))
    np.testing.assert_allclose(scores, setup.problem.score(metrics), rtol=5e-3)
    assert len(np.unique(scores)) > 1
