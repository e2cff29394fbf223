"""Search for a scoring function of a knowledge graph (AutoBLM, AutoBLM+).

python -m experiments.autoblm --dataset=NAME_OR_FOLDER --workdir=DIR [flags]
"""

from __future__ import annotations

from kapl_jax.programs import method_program

if __name__ == "__main__":
    method_program("autoblm")
