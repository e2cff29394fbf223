"""Reason over a knowledge graph, or an inductive pair of graphs, by relational paths (RED-GNN).

python -m experiments.red_gnn --dataset=NAME_OR_FOLDER --workdir=DIR [flags]

By default the published structure is trained with several seeds; --structure= searches. Registered
data bring their published settings, see kapl_jax/methods/red_gnn/defaults.py; config.json records
what was used.
"""

from __future__ import annotations

from kapl_jax.programs import method_program

if __name__ == "__main__":
    method_program("red_gnn")
