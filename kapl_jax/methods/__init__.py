"""The published methods: each one value of `method.Method`, in a package of its own."""

from __future__ import annotations

from kapl_jax.methods.autoblm.method import AUTOBLM
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.method import Method
from kapl_jax.methods.red_gnn.method import RED_GNN
from kapl_jax.runs.report.presentation import Presentations

METHODS: dict[str, Method] = {one.name: one for one in (AUTOBLM, COLDNAS, RED_GNN)}
"""All methods by name. A new one is added here, and nowhere else."""

PRESENTATIONS: Presentations = {name: one.presentation for name, one in METHODS.items()}
"""How each is shown in the report."""
