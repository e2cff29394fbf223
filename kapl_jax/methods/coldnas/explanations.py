"""Why a trained model predicts as it does: how φ moves, and which ratings weigh most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kapl_jax.episodes.tasks import Tasks, left_out_masks, prefix_masks, with_supports
from kapl_jax.explain.user_explanation import Influence, Phi, SupportItem, UserExplanation
from kapl_jax.methods.coldnas.trained import RatingModel
from kapl_jax.modulation.structures import OPERATIONS

_USERS_SHOWN = 4
_MOST_SIZES = 8


def example_users(model: RatingModel) -> tuple[UserExplanation, ...]:
    """Return the explanations of the first few validation users, see `explain_users`."""
    data = model.data
    count = min(_USERS_SHOWN, data.valid.num_users)
    everybody = model.tasks(data.valid)
    users = [everybody.take(np.s_[index : index + 1]) for index in range(count)]
    names = [f"user {data.users[data.valid.users[index]]}" for index in range(count)]
    return explain_users(model, users, names)


def explain_users(
    model: RatingModel, users: Sequence[Tasks], names: Sequence[str]
) -> tuple[UserExplanation, ...]:
    """Return how φ of some users moves as their support grows, and what ratings weigh.

    The projection is onto the two directions in which φ of all these users varies most. The effect
    of a support item is the prediction with it less the prediction without it, for the query item
    that is predicted best.

    Args:
        model: The model.
        users: Tasks of one user each, with at least one query item.
        names: What to call them.
    """
    cells = _operations(model.structure)
    paths = [_phi_path(model, tasks, cells) for tasks in users]
    planes = _project([phi for _, phi in paths])
    positions, operations = [position for position, _ in cells], [index for _, index in cells]
    return tuple(
        UserExplanation(
            user=name,
            support_sizes=tuple(sizes),
            phi=Phi(
                positions=tuple(positions),
                operations=tuple(OPERATIONS[index] for index in operations),
                norms=tuple(tuple(float(np.linalg.norm(one)) for one in step) for step in phi),
                projection=tuple((float(x), float(y)) for x, y in plane),
            ),
            influence=_influence(model, tasks),
        )
        for name, tasks, (sizes, phi), plane in zip(names, users, paths, planes, strict=True)
    )


def _operations(structure: np.ndarray) -> list[tuple[int, int]]:
    """Return position and operation of what is modulated; of networks all may be."""
    if structure.dtype == bool:
        return [(int(position), int(index)) for position, index in np.argwhere(structure)]
    return [(position, index) for position in range(len(structure)) for index in range(4)]


def _phi_path(
    model: RatingModel, tasks: Tasks, cells: Sequence[tuple[int, int]]
) -> tuple[list[int], list[list[np.ndarray]]]:
    """Return support sizes, and for each the φ of every operation."""
    mask = np.asarray(tasks.support.mask[0])
    count = int(mask.sum())
    sizes = sorted({*np.unique(np.geomspace(1, max(count, 1), _MOST_SIZES - 1).astype(int)), 0})
    sizes = [int(size) for size in sizes if size <= count]
    phi = model.phi(with_supports(tasks, prefix_masks(count, len(mask), sizes)))
    return sizes, [
        [phi[position][index, step] for position, index in cells] for step in range(len(sizes))
    ]


def _project(paths: Sequence[Sequence[Sequence[np.ndarray]]]) -> list[np.ndarray]:
    """Return each path's steps in the plane of the largest variance over all, float[n, 2]."""
    flat = [np.array([np.concatenate([*step, np.zeros(2)]) for step in path]) for path in paths]
    together = np.concatenate(flat)
    mean = together.mean(axis=0)
    _, _, directions = np.linalg.svd(together - mean, full_matrices=False)
    plane = np.zeros((2, together.shape[1]))
    plane[: min(2, len(directions))] = directions[:2]
    return [(one - mean) @ plane.T for one in flat]


def _influence(model: RatingModel, tasks: Tasks) -> Influence:
    """Return what each support item does to the best predicted query item."""
    data, mask = model.data, np.asarray(tasks.support.mask[0])
    predicted = model.predict(with_supports(tasks, left_out_masks(mask)))
    query_mask = np.asarray(tasks.query.mask[0])
    best = int(np.argmax(np.where(query_mask, predicted[0], -np.inf)))
    low, high = data.rating_range
    ratings = low + (high - low) * np.asarray(tasks.support.labels[0])
    items = [
        SupportItem(
            item=item_name(data.items, data.titles, int(tasks.support.features[0, index])),
            rating=float(ratings[index]),
            effect=float(predicted[0, best] - predicted[number + 1, best]),
        )
        for number, index in enumerate(np.flatnonzero(mask))
    ]
    return Influence(
        query_item=item_name(data.items, data.titles, int(tasks.query.features[0, best])),
        prediction=float(predicted[0, best]),
        items=tuple(sorted(items, key=lambda one: -abs(one.effect))),
    )


def item_name(items: Sequence[str], titles: Sequence[str], row: int) -> str:
    """Return what people call an item: its title where there is one."""
    return titles[row] if titles else f"item {items[row]}"
