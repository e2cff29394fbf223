"""The outcome of each run in symbols and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from kapl_jax.evaluation.objectives import LOWER_IS_BETTER, sign
from kapl_jax.runs.report import summary
from kapl_jax.runs.report.formatting import count, duration, metric_value, number
from kapl_jax.runs.report.metrics import (
    MINOR_METRICS,
    better,
    direction_note,
    merit,
    metric_label,
    metric_names,
)
from kapl_jax.runs.report.models import Model, best_baseline, found_model
from kapl_jax.runs.report.presentation import Presentation, Presentations, presentation_of
from kapl_jax.runs.report.section import Block, Facts, Formula, Section, Table
from kapl_jax.runs.run_directory import Run


def headline(runs: Sequence[Run], presentations: Presentations) -> Section:
    """Return what was found, how good it is beside the best baseline, and what it took."""
    blocks: list[Block] = []
    for run, label in zip(runs, summary.labels(runs), strict=True):
        presentation = presentation_of(run, presentations)
        blocks += _blocks(run, presentation, label if len(runs) > 1 else "")
    lead = "The outcome of each run."
    if len(runs) == 1:
        lead = _message(runs[0], presentation_of(runs[0], presentations))
    return Section("found", "What was found", lead, blocks)


def _blocks(run: Run, presentation: Presentation, heading: str) -> list[Block]:
    lead = _formula(run)
    blocks: list[Block] = [] if lead is None else [Formula(*lead, heading=heading)]
    blocks.append(Facts(_facts(run, presentation), heading="" if blocks else heading))
    table = _versus(run, presentation)
    return [*blocks, table] if table else blocks


def _message(run: Run, presentation: Presentation) -> str:
    terms, by = presentation.words, summary.main_metric(run)
    label, found, baseline = metric_label(by), found_model(run), best_baseline(run)
    if found is None:
        return _progress(run)
    reached = (
        f"validation {label} {metric_value(found.valid, by)}, test {metric_value(found.test, by)}"
    )
    origin = summary.origin(run, "found")
    if not found.searched:
        return f"The best {terms.candidate} is the {terms.baseline} {found.name}: {reached}."
    if baseline is None:
        return f"The best {terms.candidate} {origin} reaches {reached}."
    gain = summary.as_metric(run, merit(found.valid, by) - merit(baseline.valid, by))
    verdict = f"{gain:+.4f} against" if abs(gain) >= 5e-5 else "level with"
    direction = f"; {better(sign(by))}" if by in LOWER_IS_BETTER else ""
    return (
        f"The best {terms.candidate} {origin} reaches {reached}. In validation that is {verdict} "
        f"the best {terms.baseline}, {baseline.name}{direction}."
    )


def _progress(run: Run) -> str:
    best, label = summary.best_candidate(run), metric_label(summary.main_metric(run))
    lead = f"This run is not finished (stage: {summary.stage(run)})."
    if best is None:
        return lead
    reached = number(summary.as_metric(run, summary.score(best)))
    return f"{lead} Best validation {label} so far: {reached}."


def _formula(run: Run) -> tuple[str, str] | None:
    best = (run.results or {}).get("best") or {}
    if best.get("formula"):
        equations = best.get("expressions") or [best["formula"]]
        return "\n".join(map(str, equations)), str(best.get("latex") or "")
    event = summary.best_candidate(run)
    if run.results is None and event is not None and event.get("describe"):
        return str(event["describe"]), ""
    return None


def _facts(run: Run, presentation: Presentation) -> list[tuple[str, str]]:
    data = run.config.get("dataset") or {}
    sizes = [
        f"{count(data[key])} {key}" for key in presentation.sizes if isinstance(data.get(key), int)
    ]
    name, searcher = summary.dataset(run), summary.searcher(run)
    entries = [
        ("Dataset", f"{name} ({', '.join(sizes)})" if sizes else name),
        ("Method", summary.method(run)),
        ("Search", searcher or f"none, {presentation.words.candidate}s were given"),
        ("Structures trained", count(summary.candidates_trained(run)) if searcher else ""),
        ("Seeds of the final stage", count(summary.seeds(run))),
        ("Parameters", count((run.results or {}).get("parameters"))),
        *presentation.facts(run.results or {}),
        ("Time", duration(summary.seconds(run))),
        ("Device", summary.device(run) or ""),
    ]
    if run.results is None:
        entries.insert(0, ("Status", f"not finished, stage: {summary.stage(run)}"))
    return [(label, shown) for label, shown in entries if shown not in ("", "–")]


def _versus(run: Run, presentation: Presentation) -> Table | None:
    found, baseline = found_model(run), best_baseline(run)
    if found is None:
        return None
    beside: list[tuple[str, Model]] = [(f"Best {summary.origin(run, 'found')}", found)]
    if baseline is not None and (found.searched or baseline.name != found.name):
        beside.append((f"Best {presentation.words.baseline}", baseline))
    by = summary.main_metric(run)
    known = metric_names([model.test for _, model in beside])
    names = [name for name in known if name == by or name not in MINOR_METRICS]
    header = ["", "Name", f"Valid {metric_label(by)}", *(f"Test {metric_label(n)}" for n in names)]
    rows = [
        [
            role,
            model.name,
            metric_value(model.valid, by),
            *(metric_value(model.test, name) for name in names),
        ]
        for role, model in beside
    ]
    caption = f"{summary.spread_note([run])} Selected by validation; test is reported once."
    caption = f"{caption} {direction_note([by, *names])}".rstrip()
    return Table(header, rows, frozenset({0, 1}), frozenset({0}), caption)
