"""Opens a page in headless Chromium: what it makes of it, and what it complains about."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

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
        [str(BROWSER), *options, page.absolute().as_uri()],
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
