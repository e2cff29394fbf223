"""Search where and how to modulate a predictor for users with few ratings (ColdNAS, ColdNAS+).

python -m experiments.coldnas --dataset=NAME_OR_PATH --workdir=DIR [flags]

Without flags it runs on generated users, whose modulation is known. Registered data may bring
defaults of their own, see kapl_jax/methods/coldnas/defaults.py; config.json records what was used.
"""

from __future__ import annotations

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.defaults import suggested
from kapl_jax.methods.coldnas.pipeline import run_coldnas
from kapl_jax.methods.coldnas.results import describe_results
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.runs.program import run_program, use_cpu_cores
from kapl_jax.runs.run_directory import read_run
from kapl_jax.runs.settings import define_flags, from_flags


def main(argv: list[str]) -> None:
    """Run ColdNAS as the flags say."""
    if len(argv) > 1:
        raise UserError(f"{argv[1]}: unexpected argument; every setting is a --flag, see --help")
    settings = from_flags(ColdNASSettings, suggested)
    use_cpu_cores(settings.cpu_devices or None)
    report = run_coldnas(settings)
    results = read_run(settings.workdir).results
    if results is not None:
        print(describe_results(results))
    print(f"report: {report}")


if __name__ == "__main__":
    define_flags(ColdNASSettings)
    run_program(main)
