"""Many structures trained from scratch: how well one-shot proxies rank them, and what counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kapl_jax.evaluation.objectives import sign
from kapl_jax.modulation.structures import OPERATIONS, structure_text
from kapl_jax.runs.report import landscape_figures, summary
from kapl_jax.runs.report.formatting import MISSING, count, number, setting_label
from kapl_jax.runs.report.metrics import better, metric_label
from kapl_jax.runs.report.models import symbols
from kapl_jax.runs.report.section import Block, Figure, Section, Table
from kapl_jax.runs.report.svg import to_svg
from kapl_jax.runs.run_directory import Run

# Methods whose candidates are modulation structures.
_METHODS = frozenset({"coldnas"})
# A proxy not named here is one of which more is better, by its own name.
_INHERITED = "inherited_weights"
_PROXIES = {_INHERITED: "inherited weights", "alpha": "architecture parameters α"}


@dataclasses.dataclass(frozen=True)
class Landscape:
    """Structures with their true values, which are all finite.

    Attributes:
        metric: The metric of truth.
        structures: bool[N, C, 4].
        truth: float[N], trained from scratch.
        operations: int[N], operations of each structure.
        proxies: What each proxy says of each structure, float[N] by name, NaN where it does not.
        agreement: By proxy "kendall_tau" and "p_value" of both rankings, the best first.
    """

    metric: str
    structures: np.ndarray
    truth: np.ndarray
    operations: np.ndarray
    proxies: Mapping[str, np.ndarray]
    agreement: Mapping[str, Mapping[str, float]]

    @property
    def direction(self) -> float:
        """1 where more of the metric is better, else -1."""
        return sign(self.metric)

    def proxy_direction(self, proxy: str) -> float:
        """1 where more of a proxy is better, else -1: inherited weights give the metric itself."""
        return self.direction if proxy == _INHERITED else 1.0

    def choice(self, proxy: str) -> int:
        """Return the place of the structure that a proxy takes for the best."""
        return int(np.nanargmax(self.proxy_direction(proxy) * self.proxies[proxy]))

    def rank(self, place: int) -> int:
        """Return the true rank of a structure, from 1."""
        return 1 + int(np.sum(self.direction * self.truth > self.direction * self.truth[place]))


def landscape(runs: Sequence[Run]) -> Section | None:
    """Return for each run with a landscape its figures and how proxies agree with the truth."""
    blocks: list[Block] = []
    for place, (run, label) in enumerate(zip(runs, summary.labels(runs), strict=True)):
        found = _read((run.results or {}).get("landscape"))
        if found and summary.method(run) in _METHODS:
            suffix = f" ({label})" if len(runs) > 1 else ""
            blocks += _blocks(found, suffix, f"landscape{place}")
    if not blocks:
        return None
    lead = (
        "Structures trained from scratch: whether cheap one-shot proxies would have found the good "
        "ones, and what makes a structure good."
    )
    return Section("landscape", "Landscape of structures", lead, blocks)


def operation_effects(structures: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what each operation at each position does to a value on average.

    Args:
        structures: bool[N, C, 4].
        values: float[N].

    Returns:
        float[C, 4], the mean of the values of structures with the operation less that of those
        without it; NaN where all have it or none has.
    """
    present = np.asarray(structures, float)
    values = values[:, None, None]
    having = present.sum(axis=0)
    lacking = len(present) - having
    with np.errstate(invalid="ignore", divide="ignore"):
        return (present * values).sum(axis=0) / having - ((1 - present) * values).sum(
            axis=0
        ) / lacking


def _read(entry: Mapping[str, Any] | None) -> Landscape | None:
    points = [
        point
        for point in (entry or {}).get("points") or []
        if _finite(point.get("truth")) and symbols(point.get("structure")) is not None
    ]
    if not entry or not points:
        return None
    names = dict.fromkeys(name for point in points for name in point.get("proxies") or {})
    proxies = {name: np.array([_proxy(point, name) for point in points]) for name in names}
    structures = np.array([point["structure"] for point in points], bool)
    return Landscape(
        metric=str(entry["metric"]),
        structures=structures,
        truth=np.array([point["truth"] for point in points], float),
        operations=structures.reshape(len(points), -1).sum(axis=1),
        proxies={name: values for name, values in proxies.items() if np.isfinite(values).any()},
        agreement=entry.get("agreement") or {},
    )


def _proxy(point: Mapping[str, Any], name: str) -> float:
    value = (point.get("proxies") or {}).get(name, math.nan)
    return float(value) if _finite(value) else math.nan


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _blocks(found: Landscape, suffix: str, name: str) -> list[Block]:
    blocks: list[Block] = []
    if found.proxies:
        blocks += [_agreement(found, suffix, f"{name}-proxies"), _choices(found)]
    return [*blocks, _sizes(found, suffix, f"{name}-sizes"), _effects(found, suffix, name)]


def _agreement(found: Landscape, suffix: str, name: str) -> Figure:
    panels = [
        landscape_figures.Panel(
            title=f"{_proxy_label(proxy)}: τ = {_tau(found, proxy)}",
            x_label=f"{_axis_name(found, proxy)}\n({better(found.proxy_direction(proxy))})",
            proxy=values,
            truth=found.truth,
            operations=found.operations,
            chosen=found.choice(proxy),
        )
        for proxy, values in found.proxies.items()
    ]
    drawn = landscape_figures.agreement(panels, _truth_label(found))
    words = "; ".join(panel.title for panel in panels)
    svg = to_svg(drawn, name, f"One-shot proxies against the truth. {words}")
    caption = (
        f"Each dot is one of {count(len(found.truth))} structures; the ring is the one that the "
        "proxy takes for the best. τ is Kendall's, of both rankings: 1 where they agree entirely, "
        "0 where they have nothing in common."
    )
    return Figure(svg, caption, f"One-shot ranking against the truth{suffix}")


def _choices(found: Landscape) -> Table:
    label = metric_label(found.metric)
    best = int(np.argmax(found.direction * found.truth))
    rows = [["truth", MISSING, MISSING, *_choice_cells(found, best)]]
    for proxy in found.proxies:
        known = found.agreement.get(proxy) or {}
        p_value = known.get("p_value")
        cells = [
            _tau(found, proxy),
            f"{p_value:.2g}" if _finite(p_value) else MISSING,
        ]
        rows.append([_proxy_label(proxy), *cells, *_choice_cells(found, found.choice(proxy))])
    header = ["Ranked by", "Kendall τ", "p", "First", f"{label} of the first", "True rank"]
    caption = (
        f"What each ranking puts first, and what that is worth when trained from scratch; of "
        f"{label}, {better(found.direction)}."
    )
    return Table(header, rows, frozenset({0, 3}), frozenset({0}), caption)


def _choice_cells(found: Landscape, place: int) -> list[str]:
    rank = f"{count(found.rank(place))} of {count(len(found.truth))}"
    return [structure_text(found.structures[place]), number(found.truth[place]), rank]


def _sizes(found: Landscape, suffix: str, name: str) -> Figure:
    drawn = landscape_figures.by_operations(found.operations, found.truth, _truth_label(found))
    groups = {size: found.truth[found.operations == size] for size in np.unique(found.operations)}
    words = "; ".join(
        f"{count(size)} operations, median {number(float(np.median(values)))}"
        for size, values in groups.items()
    )
    svg = to_svg(drawn, name, f"{metric_label(found.metric)} by number of operations. {words}")
    return Figure(svg, "Bars are medians.", f"By number of operations{suffix}")


def _effects(found: Landscape, suffix: str, name: str) -> Figure:
    values = operation_effects(found.structures, found.truth)
    positions = [f"h{position}" if position else "input" for position in range(len(values))]
    drawn = landscape_figures.effects(values, found.direction, positions, OPERATIONS)
    label = metric_label(found.metric)
    words = "; ".join(
        f"{operation} at {position} {values[row, column]:+.2g}"
        for row, position in enumerate(positions)
        for column, operation in enumerate(OPERATIONS)
    )
    svg = to_svg(drawn, f"{name}-effects", f"Mean {label} with less without. {words}")
    caption = (
        f"Mean {label} of structures with the operation less that of those without it "
        f"({better(found.direction)}). Blue: the operation is good there; orange: it is not."
    )
    return Figure(svg, caption, f"By operation and position{suffix}")


def _tau(found: Landscape, proxy: str) -> str:
    tau = (found.agreement.get(proxy) or {}).get("kendall_tau")
    return f"{tau:.2f}" if _finite(tau) else MISSING


def _truth_label(found: Landscape) -> str:
    return f"{metric_label(found.metric)}, trained from scratch\n({better(found.direction)})"


def _axis_name(found: Landscape, proxy: str) -> str:
    unit = f"{metric_label(found.metric)} with " if proxy == _INHERITED else ""
    return f"{unit}{_proxy_label(proxy)}"


def _proxy_label(proxy: str) -> str:
    return _PROXIES.get(proxy, setting_label(proxy))
