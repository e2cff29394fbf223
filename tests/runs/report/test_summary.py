import math
from pathlib import Path

from kapl_jax.runs.report import summary
from kapl_jax.runs.run_directory import Run, read_run
from tests.runs.report.fake_runs import write_fake_run


def run_of(*scores: float | None, complete: bool = True, **config: object) -> Run:
    events = [
        {"event": "candidate", "stage": "search", "id": str(index), "score": score}
        for index, score in enumerate(scores)
    ]
    events[-1]["complete"] = complete
    return Run(Path("run"), {"method": "autoblm", **config}, events, None)


def test_best_so_far_passes_over_diverged_candidates() -> None:
    assert summary.best_so_far(run_of(None, 0.2, 0.1, float("nan"), 0.3)) == [
        *(-math.inf, 0.2, 0.2, 0.2, 0.3)
    ]


def test_a_candidate_dropped_early_is_not_the_best() -> None:
    run = run_of(0.2, 0.9, complete=False)
    best = summary.best_candidate(run)
    assert best is not None
    assert best["id"] == "0"
    assert summary.best_so_far(run) == [0.2, 0.2]
    assert summary.search_scores(run) == [0.2, 0.9]


def test_a_run_that_has_just_begun_says_what_it_can() -> None:
    run = Run(Path("run"), {"method": "autoblm"}, [], None)
    assert summary.dataset(run) == "unknown"
    assert summary.stage(run) == "not started"
    assert summary.candidates_trained(run) == 0
    assert summary.best_candidate(run) is None
    assert summary.seconds(run) is None
    assert summary.device(run) is None
    assert summary.seeds(run) is None
    assert summary.main_metric(run) == "mrr"


def test_facts_come_from_the_results_first(tmp_path: Path) -> None:
    run = read_run(write_fake_run(tmp_path / "a"))
    assert summary.seconds(run) == 188.4
    assert summary.device(run) == "2 x cpu"
    assert summary.seeds(run) == 3
    assert summary.candidates_trained(run) == 128
    assert summary.stage(run) == "done"


def test_labels_are_short_and_distinct(tmp_path: Path) -> None:
    def label_of(*folders: tuple[str, str, str]) -> list[str]:
        runs = [
            read_run(
                write_fake_run(
                    tmp_path / folder, searcher=searcher, dataset=dataset, finished=False
                )
            )
            for folder, searcher, dataset in folders
        ]
        return summary.labels(runs)

    assert label_of(("a", "random", "umls"), ("b", "evolutionary", "umls")) == [
        *("random", "evolutionary")
    ]
    assert label_of(("a", "random", "umls"), ("b", "random", "umls")) == [
        *("random (a)", "random (b)")
    ]
    assert label_of(("a", "random", "umls"), ("b", "random", "nations")) == [
        *("umls, random", "nations, random")
    ]
    twice = label_of(("x/a", "random", "umls"), ("y/a", "random", "umls"))
    assert len(set(twice)) == 2


def test_the_objective_is_the_main_metric() -> None:
    run = run_of(-0.3, -0.2, None, method="coldnas", settings={"objective": "mse"})
    assert summary.main_metric(run) == "mse"
    assert [summary.as_metric(run, one) for one in summary.best_so_far(run)] == [0.3, 0.2, 0.2]
    best = summary.best_candidate(run)
    assert best is not None
    assert best["id"] == "1"
    other = run_of(0.3, settings={"objective": "ndcg_at_3"})
    assert summary.as_metric(other, 0.3) == 0.3


def test_runs_compare_on_the_same_data_and_metric() -> None:
    def run(name: str, objective: str) -> Run:
        return run_of(0.1, settings={"objective": objective}, dataset={"name": name})

    one, two, three = run("a", "mse"), run("a", "mse"), run("b", "mse")
    assert summary.comparable([one, two, three]) == {"a": [one, two], "b": [three]}
    other = run("a", "ndcg_at_3")
    assert summary.comparable([one, other, three]) == {
        **{"a, selected by MSE": [one], "a, selected by nDCG@3": [other], "b": [three]}
    }
