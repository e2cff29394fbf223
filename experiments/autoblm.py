"""Search the scoring function for a knowledge graph (AutoBLM, AutoBLM+).

python -m experiments.autoblm --dataset=NAME_OR_FOLDER --workdir=DIR [flags]
"""

from __future__ import annotations

from kapl_jax.methods.autoblm.pipeline import run_autoblm
from kapl_jax.methods.autoblm.results import describe_results
from kapl_jax.runs.method_program import run_method

from kapl_jax.methods.autoblm.presentation import PRESENTATION
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run AutoBLM as the flags say."""
    refuse_arguments(argv)
    run_method(from_flags(AutoBLMSettings), run_autoblm, describe_results, PRESENTATION)


if __name__ == "__main__":
    define_flags(AutoBLMSettings)
    run_program(main)
