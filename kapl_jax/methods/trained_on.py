"""The data of a finished run: where they are now, and whether they are those it trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from kapl_jax.data.registry import Kind, has_name
from kapl_jax.errors import UserError
from kapl_jax.methods.settings import SearchSettings
from kapl_jax.runs.compilation_cache import cache_setting
from kapl_jax.runs.config import CONFIG, differing_data
from kapl_jax.runs.run_directory import Run, read_run
from kapl_jax.runs.settings import Settings, recorded_settings, setting

S = TypeVar("S", bound=SearchSettings)


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where somebody who asks a model says that its data are.

    Attributes:
        dataset: A registered name or a path; None for where the run had them.
        data_dir: A folder of registered data, None if there is none.
    """

    dataset: str | None = None
    data_dir: str | None = None


@dataclasses.dataclass(frozen=True)
class AskSettings(Settings):
    """Which finished run is asked; a program that asks its model adds what it asks."""

    workdir: str = setting("", "Run directory of a finished run.", path=True)
    data_dir: str = setting(
        "", "Folder of registered data, as for the run that trained the model.", path=True
    )
    dataset: str = setting("", "Name or path of the data; by default those that the run found.")
    compilation_cache: str = cache_setting()

    @property
    def source(self) -> DataSource:
        """Where the data of the run are said to be."""
        return DataSource(self.dataset or None, self.data_dir or None)

    def read_run(self) -> Run:
        """Return the run.

        Raises:
            UserError: None is given, or it cannot be read.
        """
        if not self.workdir:
            raise UserError("--workdir: missing, expected the run directory of a finished run")
        return read_run(self.workdir)


def settings_of(run: Run, kind: type[S], of_data: Kind, source: DataSource) -> S:
    """Return the settings of a run with its data where they are now.

    They are looked for as `source` says; else where the run had them; else as it was told, from
    the folder of today.

    Args:
        run: The run.
        kind: The dataclass of its method's settings.
        of_data: The kind of its method's data.
        source: What is known of where they are.

    Raises:
        UserError: The settings cannot be read, or the data are not there.
    """
    settings = recorded_settings(run.path, run.config, kind)
    dataset = source.dataset
    if dataset is None:
        path = run.config.get("dataset_path")
        # A folder of registered data says nothing of where a path leads.
        is_sought = source.data_dir is not None and has_name(settings.dataset, of_data)
        had = path if isinstance(path, str) and not is_sought and Path(path).exists() else ""
        dataset = had or settings.dataset
        if not has_name(dataset, of_data) and not Path(dataset).expanduser().exists():
            lay = path if isinstance(path, str) else dataset
            raise UserError(
                f"{run.path}: found no data at {lay}, where the run had them; give --dataset=PATH "
                "to say where they are now"
            )
    return dataclasses.replace(settings, dataset=dataset, data_dir=source.data_dir or "")


def check_trained_on(run: Run, found: Mapping[str, Any], kind: str) -> None:
    """Check that data are those that a run's model was trained on, whatever they are called.

    Args:
        run: The run.
        found: The description of the data as found now: `name`, counts, a digest.
        kind: What else the model would have been trained on, for the error: "another graph".

    Raises:
        UserError: They are others; the message says in what. Or the run did not record its data.
    """
    recorded = run.config.get("dataset", {})
    if "digest" not in recorded:
        raise UserError(
            f"{run.path / CONFIG}: dataset: digest: missing, so that it cannot be "
            "checked that the data are those of the training; train again"
        )
    differences = differing_data(recorded, found)
    if differences:
        raise UserError(
            f"{run.path}: the model was trained on {kind} than {found['name']} as found now "
            f"({'; '.join(differences)}); give the --dataset or the --data_dir of the run"
        )
