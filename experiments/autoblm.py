"""Search the scoring function for a knowledge graph (AutoBLM, AutoBLM+).

python -m experiments.autoblm --dataset=NAME_OR_FOLDER --workdir=DIR [flags]
"""

from __future__ import annotations

from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.pipeline import run_autoblm
from kapl_jax.methods.autoblm.results import describe_results
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.runs.program import run_program, use_cpu_cores
from kapl_jax.runs.run_directory import read_run
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run AutoBLM as the flags say."""
    if len(argv) > 1:
        raise UserError(f"{argv[1]}: unexpected argument; every setting is a --flag, see --help")
    settings = from_flags(AutoBLMSettings)
    use_cpu_cores(settings.cpu_devices or None)
    report = run_autoblm(settings)
    results = read_run(settings.workdir).results
    if results is not None:
        print(describe_results(results))
    print(f"report: {report}")


if __name__ == "__main__":
    define_flags(AutoBLMSettings)
    run_program(main)
