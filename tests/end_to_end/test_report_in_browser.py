"""Opens the report in headless Chromium: no console message, no missing or outside resource."""

import shutil
from pathlib import Path

import pytest

from kapl_jax.methods import PRESENTATIONS
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import read_run
from tests.end_to_end.browser import BROWSER, open_page, with_probe
from tests.runs.report.fake_runs import NASTY_DATASET, NASTY_RELATION, write_fake_run

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        write_fake_run(folder / "a", candidates=64),
        write_fake_run(folder / "b", candidates=32, searcher="random", finished=False),
        write_fake_run(folder / "c", candidates=16, dataset=NASTY_DATASET),
    ]
    return write_report([read_run(run) for run in runs], folder / "report", PRESENTATIONS)


@pytest.fixture
def page(written: Path, tmp_path: Path) -> Path:
    """A copy of the report alone in its folder."""
    return Path(shutil.copy(written, tmp_path / "index.html"))


def test_report_opens_without_complaint(page: Path, tmp_path: Path) -> None:
    document, complaints = open_page(page, tmp_path / "profile")
    assert complaints == []
    assert document.count("<section") == page.read_text(encoding="utf-8").count("<section")
    assert document.count("<svg") > 5
    # The browser sees names as text, not as elements.
    assert "<graph>" not in document
    assert NASTY_RELATION not in document
    assert "&lt;graph&gt;" in document


def test_report_misses_no_resource(page: Path, tmp_path: Path) -> None:
    _, complaints = open_page(with_probe(page), tmp_path / "profile")
    assert complaints == []


@pytest.mark.parametrize(
    "planted",
    [
        "<script>console.error('planted')</script>",
        "<script>undefinedFunction()</script>",
        '<img src="missing.png" alt="">',
        '<link rel="stylesheet" href="missing.css">',
    ],
)
def test_a_planted_fault_is_noticed(page: Path, tmp_path: Path, planted: str) -> None:
    source = page.read_text(encoding="utf-8")
    page.write_text(source.replace("</main>", f"{planted}</main>"), encoding="utf-8")
    _, complaints = open_page(with_probe(page), tmp_path / "profile")
    assert complaints


def test_the_policy_of_the_page_blocks_what_is_outside(page: Path, tmp_path: Path) -> None:
    source = page.read_text(encoding="utf-8")
    planted = '<script>console.error("ran")</script><img src="missing.png" alt="">'
    page.write_text(source.replace("</main>", f"{planted}</main>"), encoding="utf-8")
    _, complaints = open_page(page, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in complaints)
