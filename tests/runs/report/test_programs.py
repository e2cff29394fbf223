import subprocess
import sys
from pathlib import Path

from tests.runs.report.fake_runs import write_fake_run

_ROOT = Path(__file__).parents[3]


def run_program(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"experiments.{name}", *map(str, arguments)]
    return subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def assert_one_line_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_report_prints_where_the_page_lies(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", candidates=4, finished=False)
    done = run_program("report", f"--workdir={run}")
    page = run / "report" / "index.html"
    assert (done.returncode, done.stdout) == (0, f"report: {page}\n")
    assert page.is_file()


def test_report_of_several_runs_goes_where_it_is_told(tmp_path: Path) -> None:
    first = write_fake_run(tmp_path / "a", candidates=0, finished=False)
    second = write_fake_run(tmp_path / "b", candidates=0, finished=False)
    done = run_program("report", first, f"--workdir={second}", f"--out={tmp_path / 'both'}")
    assert done.returncode == 0, done.stderr
    assert "2 runs side by side" in (tmp_path / "both" / "index.html").read_text(encoding="utf-8")


def test_a_folder_may_have_a_comma_in_its_name_or_lie_at_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run = write_fake_run(tmp_path / "a,b", candidates=0, finished=False)
    other = write_fake_run(tmp_path / "c", candidates=0, finished=False)
    done = run_program("report", f"--workdir={run}", "--workdir=~/c", "--out=~/both")
    page = tmp_path / "both" / "index.html"
    assert (done.returncode, done.stdout) == (0, f"report: {page}\n")
    assert "2 runs side by side" in page.read_text(encoding="utf-8")
    done = run_program("compare", "~/a,b", "~/c")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()[2:]} == {str(run), str(other)}


def test_a_page_that_cannot_be_written_may_go_elsewhere(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "a", candidates=0, finished=False)
    (run / "report").write_text("in the way")
    done = run_program("report", f"--workdir={run}")
    assert_one_line_error(done, str(run / "report" / "index.html"), "another folder by --out")


def test_report_without_a_run_is_a_one_line_error() -> None:
    assert_one_line_error(run_program("report"), "--workdir")


def test_compare_prints_a_table(tmp_path: Path) -> None:
    first = write_fake_run(tmp_path / "a", candidates=8)
    second = write_fake_run(tmp_path / "b", candidates=8, finished=False)
    done = run_program("compare", second, first)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [str(first), str(second)]
    assert "unfinished: search" in lines[3]


def test_compare_with_a_bad_folder_is_a_one_line_error(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "a", candidates=8)
    done = run_program("compare", "--json", run, tmp_path)
    assert_one_line_error(done, str(tmp_path), "not a run")
