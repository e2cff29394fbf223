from __future__ import annotations

from pathlib import Path

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.registry import ANSWERERS, RECOMMENDERS, load_answerer, load_recommender
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.runs.run_directory import Run

LOADERS = [(load_answerer, ANSWERERS), (load_recommender, RECOMMENDERS)]


def run_of(**config):
    return Run(Path("runs/a"), config, [], None)


@pytest.mark.parametrize(("load", "registry"), LOADERS)
def test_the_method_of_the_run_answers(monkeypatch, load, registry):
    monkeypatch.setitem(registry, "toy", lambda run, data_dir: (run.path, data_dir))
    assert load(run_of(method="toy"), "data") == (Path("runs/a"), "data")


@pytest.mark.parametrize("config", [{}, {"method": "other"}])
def test_other_methods_are_refused(config):
    with pytest.raises(UserError, match=r"runs/a: no answers from the method .*, expected autoblm"):
        load_answerer(run_of(**config), DataSource())
    expected = r"runs/a: no recommendations from the method .*, expected coldnas$"
    with pytest.raises(UserError, match=expected):
        load_recommender(run_of(**config), DataSource())


def test_methods_of_the_other_kind_say_what_to_ask_them():
    with pytest.raises(UserError, match="'coldnas', expected autoblm, red_gnn; give --ratings"):
        load_answerer(run_of(method="coldnas"), DataSource())
    with pytest.raises(UserError, match="'autoblm', expected coldnas; give --head or --tail"):
        load_recommender(run_of(method="autoblm"), DataSource())
