from __future__ import annotations

from kapl_jax.runs.progress import Progress


def test_the_bar_shows_share_and_best_score(capsys):
    with Progress("search", 10, enabled=True) as progress:
        progress.best(0.25)
        progress.best(0.125)
        progress.advance(5, "epoch 3")
    shown = capsys.readouterr().err
    assert "search:  50%" in shown
    assert "best 0.2500, epoch 3" in shown
    assert "0.1250" not in shown


def test_only_better_scores_are_shown(capsys):
    with Progress("search", 10, enabled=True) as progress:
        for score in (-1.0, -0.5, -2.0):
            progress.best(score)
    assert "best -0.5000" in capsys.readouterr().err.split("\r")[-1]


def test_a_negated_metric_is_shown_as_it_is(capsys):
    with Progress("search", 10, enabled=True, sign=-1.0) as progress:
        for score in (-1.0, -0.5, -2.0):
            progress.best(score)
    assert "best 0.5000" in capsys.readouterr().err.split("\r")[-1]


def test_silent_when_not_enabled(capsys):
    with Progress("search", 10, enabled=False) as progress:
        progress.advance(10)
        progress.best(0.5)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_nothing_to_do_and_more_than_expected(capsys):
    with Progress("search", 0, enabled=True) as progress:
        progress.advance(3)
    with Progress("search", 2, enabled=True) as progress:
        progress.advance(3)
    assert "search" in capsys.readouterr().err
