import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kapl_jax.data.fetch import main

ROOT = Path(__file__).parents[2]


def test_folders_are_printed(published, cache, capsys):
    assert main(["TOY", "toy"]) == 0
    assert capsys.readouterr().out == f"{cache / 'toy'}\n" * 2
    assert (cache / "toy" / "train.txt").exists()


def test_pairs_come_whole(published_pair, cache, capsys):
    assert main(["toy"]) == 0
    assert capsys.readouterr().out == f"{cache / 'toy'}\n"
    for part in published_pair:
        assert {path.name for path in (cache / part.name).iterdir()} == set(part.sha256)


def test_unknown_name(cache, capsys):
    assert main(["ulms"]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("error: found no data set 'ulms' (did you mean umls?), expected")
    assert output.err.count("\n") == 1
    assert not cache.exists()


def test_no_name(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "NAME" in capsys.readouterr().err


@pytest.fixture
def script(tmp_path):
    """The script in a copy of the project that has no environment yet."""
    if shutil.which("bash") is None:
        pytest.skip("bash, which the script needs, is not there")
    (tmp_path / "tools").mkdir()
    (tmp_path / "kapl_jax").symlink_to(ROOT / "kapl_jax")
    return shutil.copy(ROOT / "tools" / "fetch_data", tmp_path / "tools")


def run(script, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_script_without_an_environment(script):
    result = run(script, "umls")
    assert result.returncode == 1
    assert "expected the environment that tools/quickstart makes" in result.stderr


def test_script_runs_in_the_environment_of_the_project(script, tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    result = run(script, "ulms")
    assert result.returncode == 1
    assert result.stderr.startswith("error: found no data set 'ulms'")
