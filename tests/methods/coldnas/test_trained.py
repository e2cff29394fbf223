"""A trained model beside what its parameters say by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kapl_jax.episodes.tasks import with_supports
from kapl_jax.methods.coldnas.trained import RatingModel
from tests.methods.coldnas.by_hand import predictions_by_hand, slow_user, widths_of
from tests.methods.coldnas.slow import slow_phi
from tests.methods.coldnas.tiny import parameters, rating_model, structures

pytestmark = pytest.mark.usefixtures("compiled_plainly")


@pytest.fixture(scope="module")
def model(compiled_plainly) -> RatingModel:
    return rating_model(structures(1)[0])


def by_hand(model: RatingModel, tasks) -> list[np.ndarray]:
    return [
        predictions_by_hand(
            parameters()["model"], model.structure, model.data, slow_user(model.data, tasks, u)
        )
        for u in range(tasks.num_users)
    ]


def test_predictions_are_ratings_of_the_query_items(model):
    tasks = model.data.test
    found = model.predict(model.tasks(tasks))
    assert found.shape == tasks.query_items.shape
    for index, expected in enumerate(by_hand(model, tasks)):
        np.testing.assert_allclose(found[index][tasks.query_mask[index]], expected, rtol=1e-5)
    # In the data's range, not in 0..1.
    assert 1 < found.min() < found.max() < 5


def test_phi_of_each_position(model):
    tasks = model.data.valid
    found = model.phi(model.tasks(tasks))
    widths = widths_of(parameters()["model"])
    assert [one.shape for one in found] == [(4, tasks.num_users, width) for width in widths]
    for index in range(tasks.num_users):
        user = slow_user(model.data, tasks, index)
        expected = slow_phi(parameters()["model"], widths, user)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one[:, index], other, atol=1e-5)


def test_one_user_with_several_supports(model):
    tasks = model.tasks(model.data.test)
    masks = np.array([[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
    repeated = with_supports(tasks, masks)
    found = model.predict(repeated)
    user = slow_user(model.data, model.data.test, 0)
    user.rated = user.rated[1:2]
    expected = predictions_by_hand(parameters()["model"], model.structure, model.data, user)
    np.testing.assert_allclose(found[1], expected, rtol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-6
