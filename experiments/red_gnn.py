"""Reason over a knowledge graph, or an inductive pair of graphs, by relational paths (RED-GNN).

python -m experiments.red_gnn --dataset=NAME_OR_FOLDER --workdir=DIR [flags]

By default the published structure is trained with several seeds; --structure= searches. Registered
data bring their published settings, see kapl_jax/methods/red_gnn/defaults.py; config.json records
what was used.
"""

from __future__ import annotations

from kapl_jax.methods.red_gnn.pipeline import run_red_gnn
from kapl_jax.methods.red_gnn.results import describe_results
from kapl_jax.runs.method_program import run_method

from kapl_jax.methods.red_gnn.defaults import suggested
from kapl_jax.methods.red_gnn.presentation import PRESENTATION
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run RED-GNN as the flags say."""
    refuse_arguments(argv)
    run_method(from_flags(RedGNNSettings, suggested), run_red_gnn, describe_results, PRESENTATION)


if __name__ == "__main__":
    define_flags(RedGNNSettings)
    run_program(main)
