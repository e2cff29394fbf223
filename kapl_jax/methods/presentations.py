"""How each method is shown in the report, by its name."""

from __future__ import annotations

from kapl_jax.methods.autoblm import presentation as autoblm
from kapl_jax.methods.coldnas import presentation as coldnas
from kapl_jax.methods.red_gnn import presentation as red_gnn
from kapl_jax.runs.report.presentation import Presentations

PRESENTATIONS: Presentations = {
    "autoblm": autoblm.PRESENTATION,
    "coldnas": coldnas.PRESENTATION,
    "red_gnn": red_gnn.PRESENTATION,
}
