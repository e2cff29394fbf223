"""The report of one or several runs: a single HTML page that opens offline, and a table of runs."""

from kapl_jax.runs.report.comparison import as_json, as_markdown, as_text, compare
from kapl_jax.runs.report.page import write_report

__all__ = ["as_json", "as_markdown", "as_text", "compare", "write_report"]
