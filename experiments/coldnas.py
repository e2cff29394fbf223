"""Search where and how to modulate a predictor for users with few ratings (ColdNAS, ColdNAS+).

python -m experiments.coldnas --dataset=NAME_OR_PATH --workdir=DIR [flags]

Without flags it runs on generated users, whose modulation is known. Registered data may bring
defaults of their own, see kapl_jax/methods/coldnas/defaults.py; config.json records what was used.
"""

from __future__ import annotations

from kapl_jax.methods.coldnas.pipeline import run_coldnas
from kapl_jax.methods.coldnas.results import describe_results
from kapl_jax.runs.method_program import run_method

from kapl_jax.methods.coldnas.defaults import suggested
from kapl_jax.methods.coldnas.presentation import PRESENTATION
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.runs.program import refuse_arguments, run_program
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run ColdNAS as the flags say."""
    refuse_arguments(argv)
    run_method(from_flags(ColdNASSettings, suggested), run_coldnas, describe_results, PRESENTATION)


if __name__ == "__main__":
    define_flags(ColdNASSettings)
    run_program(main)
