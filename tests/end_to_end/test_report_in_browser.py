"""Opens the report in headless Chromium: no console message, no missing or outside resource."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kapl_jax.methods import PRESENTATIONS
from kapl_jax.runs.report import write_report
from kapl_jax.runs.run_directory import read_run
from tests.runs.report.fake_runs import NASTY_DATASET, NASTY_RELATION, write_fake_run

_BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(_BROWSER is None, reason="no Chromium on this machine")

# What Chromium writes to its log for `console.*`, uncaught errors and blocked or missing resources.
_COMPLAINT = re.compile(r"CONSOLE|net::ERR|Failed to load|Not allowed to load", re.IGNORECASE)
# Marks each resource of a page that could not be loaded; the page itself has no script.
_PROBE = """<script>
window.addEventListener("error", e => {
  if (e.target !== window) console.error("missing resource: " + e.target.outerHTML);
}, true);
</script>"""


def open_page(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the document after loading `page` and what the browser complained about."""
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio"),
        *("--disable-dev-shm-usage", f"--user-data-dir={profile}", "--enable-logging=stderr"),
        *("--v=0", "--virtual-time-budget=3000", "--dump-dom"),
    ]
    done = subprocess.run(
        [str(_BROWSER), *options, page.absolute().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if _COMPLAINT.search(line)]


def with_probe(page: Path) -> Path:
    """Return a copy of `page` that reports missing resources, for that without its policy."""
    source = page.read_text(encoding="utf-8")
    source = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    copy = page.with_name("probed.html")
    copy.write_text(source.replace("<head>", f"<head>{_PROBE}", 1), encoding="utf-8")
    return copy


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
