"""The explanation of a modulated model's predictions for users, in words and pictures.

Of each user: how their modulation parameters φ move as rated items are added to their support set,
and what each of the items does to one prediction. Matplotlib is imported only when something is
drawn.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kapl_jax.drawing import (
    GRID,
    INK,
    MUTED,
    SERIES,
    any_script,
    drawable,
    literal,
    plain_axes,
)
from kapl_jax.json_form import JsonForm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "D", "^", "v", "P")
_WIDTH = 7.0
# In the picture and in the text.
_ITEMS_SHOWN, _ITEMS_LISTED = 8, 10
_NAME_SHOWN = 28


@dataclasses.dataclass(frozen=True)
class Phi(JsonForm):
    """φ of a user, at each size of their support set.

    Attributes:
        positions: Position of each operation of the structure.
        operations: Name of each operation of the structure.
        norms: For each size the norm of φ of each operation.
        projection: For each size φ of all operations, projected onto the two directions in which
            φ of all users shown varies most.
    """

    positions: tuple[int, ...] = ()
    operations: tuple[str, ...] = ()
    norms: tuple[tuple[float, ...], ...] = ()
    projection: tuple[tuple[float, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class SupportItem(JsonForm):
    """A rated item and its effect: the prediction with it less the prediction without it."""

    item: str
    rating: float
    effect: float


@dataclasses.dataclass(frozen=True)
class Influence(JsonForm):
    """What support items do to the prediction for one query item."""

    query_item: str
    prediction: float
    items: tuple[SupportItem, ...]


@dataclasses.dataclass(frozen=True)
class UserExplanation(JsonForm):
    """What there is to say of one user; either part may be missing.

    Attributes:
        user: What to call them.
        support_sizes: Number of support items at each step of φ, ascending.
        phi: How φ moves.
        influence: What the items do.

    Raises:
        ValueError: φ is not known for each size and operation.
    """

    user: str
    support_sizes: tuple[int, ...] = ()
    phi: Phi | None = None
    influence: Influence | None = None

    def __post_init__(self) -> None:
        if (phi := self.phi) is None:
            return
        known = (
            *((len(values), len(self.support_sizes)) for values in (phi.norms, phi.projection)),
            *((len(step), len(phi.operations)) for step in phi.norms),
        )
        for found, expected in ((len(phi.positions), len(phi.operations)), *known):
            if found and found != expected:
                raise ValueError(f"phi: found {found} values, expected {expected}")

    @property
    def moves(self) -> bool:
        """Whether there is a path of φ to draw."""
        return self.phi is not None and bool(self.phi.operations and self.phi.projection)

    @property
    def is_influenced(self) -> bool:
        """Whether there are items to weigh."""
        return self.influence is not None and bool(self.influence.items)


@dataclasses.dataclass(frozen=True)
class ModulationExplanation(JsonForm):
    """How a model is modulated, and what that does to users (`Explanation`).

    Attributes:
        structure: The structure on one line.
        expressions: The structure as one equation per position, where there are such.
        users: The users.
    """

    name: ClassVar[str] = "explanation"
    title: ClassVar[str] = "as JSON"
    structure: str
    expressions: tuple[str, ...]
    users: tuple[UserExplanation, ...]

    def text(self) -> str:
        """Return the equations, how φ moves and what ratings do, in lines for the terminal."""
        lines = ["how the model is modulated"]
        lines += [f"  {line}" for line in self.expressions or (self.structure,)]
        for user in self.users:
            lines += [*_phi_lines(user), *_influence_lines(user)]
        return "\n".join(lines)

    def pictures(self) -> dict[str, bytes]:
        """Return φ's paths and the ratings' weights as PNG by file name, where there are such."""
        users = [UserExplanation.from_json(_drawable(user.to_json())) for user in self.users]
        pictures = {}
        if any(user.moves for user in users):
            pictures["phi.png"] = _png(phi_figure(users))
        if any(user.is_influenced for user in users):
            pictures["influence.png"] = _png(influence_figure(users))
        return pictures


def phi_figure(users: Sequence[UserExplanation]) -> Figure:
    """Draw how φ of each user moves in the plane, a colour per user, with a legend.

    A path starts at its smallest support set, a hollow dot, and ends at the whole one, a filled
    one; dots grow with the number of items, which stands beside the ends.

    Args:
        users: Of whom at least one has a path to draw; the others are left out.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text

    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots()
    _draw_paths(axes, [user for user in users if user.moves])
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6, frameon=False, fontsize=9,
        labelcolor=INK, borderaxespad=0.2,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[40], facecolor=handle.get_edgecolor())  # type: ignore[attr-defined]
    return figure


def influence_figure(users: Sequence[UserExplanation]) -> Figure:
    """Draw what the items of each user that weigh most do to a prediction, as bars from zero.

    Bars to the right raise the prediction, bars to the left lower it.

    Args:
        users: Of whom at least one has items to weigh; the others are left out.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - see the module's text

    found = {one.user: one.influence for one in users if one.influence and one.influence.items}
    rows = [min(len(one.items), _ITEMS_SHOWN) for one in found.values()]
    figure = Figure(figsize=(_WIDTH, sum(0.75 + 0.26 * count for count in rows)))
    figure.set_layout_engine("constrained", hspace=0.06)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[2 + count for count in rows])
    for axes, (user, influence) in zip(grid.flat, found.items(), strict=True):
        _draw_influence(axes, influence)
        told = f"{user}, prediction for {influence.query_item}: {influence.prediction:.3g}"
        axes.set_title(literal(told), fontsize=10, color=INK, loc="left")
    grid.flat[-1].set_xlabel("effect on the prediction")
    return figure


def _draw_paths(axes: Axes, users: Sequence[UserExplanation]) -> None:
    largest = max(max(user.support_sizes) for user in users) or 1
    ends: dict[tuple[float, float], int] = {}
    for index, user in enumerate(users):
        assert user.phi is not None
        path, sizes = user.phi.projection, user.support_sizes
        # Users may share their start; a size is told but once at a point.
        ends |= {path[step]: sizes[step] for step in (0, -1)}
        colour, points = SERIES[index % len(SERIES)], np.asarray(path)
        axes.plot(*points.T, color=colour, linewidth=1.4, alpha=0.7, zorder=2)
        areas = 18 + 70 * np.asarray(sizes, float) / largest
        faces = ["none", *[colour] * (len(points) - 1)]
        axes.scatter(
            points[:, 0], points[:, 1], s=areas, marker=_MARKERS[index % len(_MARKERS)],
            facecolors=faces, edgecolors=colour, linewidths=1.6, label=literal(user.user), zorder=3,
        )  # fmt: skip
    for point, size in ends.items():
        axes.annotate(
            str(size), point, (6, 5), textcoords="offset points", color=INK, fontsize=8, zorder=4
        )
    plain_axes(axes)
    axes.grid(visible=True, axis="both", color=GRID, linewidth=0.8)
    axes.margins(0.12)
    axes.set_xlabel("first direction of φ")
    axes.set_ylabel("second direction of φ")


def _draw_influence(axes: Axes, influence: Influence) -> None:
    ranked = sorted(influence.items, key=lambda one: abs(one.effect), reverse=True)
    shown = ranked[:_ITEMS_SHOWN]
    indices = np.arange(len(shown))
    effects = [one.effect for one in shown]
    colours = [SERIES[0] if effect >= 0 else SERIES[1] for effect in effects]
    drawn = axes.barh(indices, effects, height=0.7, color=colours)
    axes.bar_label(
        drawn, [f"{effect:+.2g}" for effect in effects], padding=3, color=INK, fontsize=8
    )
    labels = [literal(f"{_shortened(one.item)} (rated {one.rating:g})") for one in shown]
    axes.set_yticks(indices, labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    plain_axes(axes)
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    # Room for the numbers beside the bars, on both sides of zero where there are such.
    axes.margins(x=0.22)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_SHOWN else f"{name[: _NAME_SHOWN - 1]}…"


def _phi_lines(user: UserExplanation) -> list[str]:
    if (phi := user.phi) is None or not phi.operations or not phi.norms:
        return []
    ends = zip(phi.operations, phi.positions, phi.norms[0], phi.norms[-1], strict=True)
    return [
        f"size of φ, from no rating to all {user.support_sizes[-1]}",
        *(
            f"  {operation} at position {position}: {first:.3f} -> {last:.3f}"
            for operation, position, first, last in ends
        ),
    ]


def _influence_lines(user: UserExplanation) -> list[str]:
    if (found := user.influence) is None or not found.items:
        return []
    return [
        f"what the ratings do to {found.query_item}, predicted {found.prediction:.3f}",
        *(
            f"  {one.effect:+.4f}  {one.item}, rated {one.rating:g}"
            for one in found.items[:_ITEMS_LISTED]
        ),
    ]


def _drawable(value: Any) -> Any:
    """Return JSON with its texts as a picture of dots can show them."""
    if isinstance(value, Mapping):
        return {name: _drawable(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_drawable(entry) for entry in value]
    return drawable(value) if isinstance(value, str) else value


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with any_script(figure):
        figure.savefig(stream, format="png", dpi=150, facecolor="white")
    return stream.getvalue()
