"""A run's data: found where they were or are said to be, told from others by their content."""

from __future__ import annotations

import dataclasses
import os

import pytest

from kapl_jax.data.registry import GRAPHS
from kapl_jax.errors import UserError
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.methods.trained_on import DataSource, check_trained_on, settings_of
from kapl_jax.runs.run_directory import Run

DATA = {"name": "toy", "users": 3, "digest": "abc"}


def run_at(path, dataset, **config):
    return Run(path / "run", {"settings": {"dataset": dataset}, "dataset": DATA, **config}, [], {})


def dataset_of(run, **source):
    return settings_of(run, SearchSettings, GRAPHS, DataSource(**source)).dataset


def test_a_relative_folder_is_found_from_another_one(tmp_path, monkeypatch):
    (tmp_path / "a" / "toy").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    run = run_at(tmp_path, "toy", dataset_path=str(tmp_path / "a" / "toy"))
    monkeypatch.chdir(tmp_path / "b")
    assert dataset_of(run) == str(tmp_path / "a" / "toy")
    # A folder of the same name in the folder of today is not it.
    (tmp_path / "b" / "toy").mkdir()
    assert dataset_of(run) == str(tmp_path / "a" / "toy")
    assert dataset_of(run, dataset="toy") == "toy"


def test_data_that_moved_with_the_folder_of_today_are_found(tmp_path, monkeypatch):
    (tmp_path / "new" / "toy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "new")
    run = run_at(tmp_path, os.path.join("toy"), dataset_path="/not/there/toy")
    assert dataset_of(run) == "toy"
    # As earlier versions left it.
    assert dataset_of(run_at(tmp_path, "toy")) == "toy"


def test_data_that_are_gone_are_told_with_where_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_at(tmp_path, "toy", dataset_path="/not/there/toy")
    with pytest.raises(UserError, match=r"no data at /not/there/toy, .* give --dataset=PATH"):
        dataset_of(run)


def test_registered_data_are_looked_for_by_name_in_a_given_folder(tmp_path):
    (tmp_path / "umls").mkdir()
    run = run_at(tmp_path, "umls", dataset_path=str(tmp_path / "umls"))
    assert dataset_of(run) == str(tmp_path / "umls")
    assert dataset_of(run, data_dir="elsewhere") == "umls"
    (tmp_path / "umls").rmdir()
    assert dataset_of(run) == "umls"


def test_a_folder_of_registered_data_does_not_hide_a_path(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    run = run_at(tmp_path, "toy", dataset_path=str(tmp_path / "toy"))
    assert dataset_of(run, data_dir=str(tmp_path)) == str(tmp_path / "toy")


def test_only_content_counts(tmp_path):
    run = run_at(tmp_path, "toy")
    check_trained_on(run, {**DATA, "name": "other"}, "other data")
    with pytest.raises(UserError, match=r"other data than toy as found now \(dataset users=3, no"):
        check_trained_on(run, {**DATA, "users": 4, "digest": "x"}, "other data")
    with pytest.raises(UserError, match="of the same counts, but of other names"):
        check_trained_on(run, {**DATA, "digest": "x"}, "other data")
    unknown = dataclasses.replace(run, config={"dataset": {"name": "toy"}})
    with pytest.raises(UserError, match=r"config.json: dataset: digest: missing"):
        check_trained_on(unknown, DATA, "other data")
