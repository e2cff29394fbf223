from __future__ import annotations

from pathlib import Path

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.registry import ANSWERERS, load_answerer
from kapl_jax.runs.run_directory import Run


def test_the_method_of_the_run_answers(monkeypatch):
    run = Run(Path("runs/a"), {"method": "toy"}, [], None)
    monkeypatch.setitem(ANSWERERS, "toy", lambda run, data_dir: (run.path, data_dir))
    assert load_answerer(run, "data") == (Path("runs/a"), "data")


@pytest.mark.parametrize("config", [{}, {"method": "other"}])
def test_other_methods_are_refused(config):
    with pytest.raises(UserError, match=r"runs/a: no answers from the method .*, expected autoblm"):
        load_answerer(Run(Path("runs/a"), config, [], None), None)
