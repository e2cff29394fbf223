"""The programs with the toy among the methods: `python -m tests.contract.programs NAME [flags]`."""

import runpy
import sys

from kapl_jax.methods import METHODS
from kapl_jax.programs import method_program
from tests.contract.toy import TOY

if __name__ == "__main__":
    METHODS[TOY.name] = TOY
    if (name := sys.argv.pop(1)) == TOY.name:
        method_program(name)
    else:
        runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
