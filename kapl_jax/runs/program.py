"""What every command-line program shares: error messages, exit codes, devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from kapl_jax.errors import UserError


def run_program(main: Callable[[list[str]], None]) -> None:
    """Run `main(argv)` under absl.

    A `UserError`, and a flag that cannot be parsed, become one line on stderr and exit status 1.
    """

    def guarded(argv: list[str]) -> None:
        # Orbax logs each step at INFO, which would drown what the program itself has to say.
        logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
            # Here and not at exit, where a reader that has gone could not be caught any more.
            sys.stdout.flush()
        except UserError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            print("interrupted; give the same command again to continue", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:
            # The reader (`| head`) has gone: nothing more to say, and nothing to complain about.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    app.run(guarded, flags_parser=_parse_flags)


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{' '.join(str(error).split())}; --help shows the flags")


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def refuse_arguments(argv: Sequence[str]) -> None:
    """Refuse words on the command line that belong to no flag.

    Raises:
        UserError: There is one.
    """
    if len(argv) > 1:
        raise UserError(f"{argv[1]}: unexpected argument; every setting is a --flag, see --help")


def refuse_beside(chosen: flags.FlagHolder[Any], *others: flags.FlagHolder[Any]) -> None:
    """Refuse flags that mean nothing beside another, which was given.

    Raises:
        UserError: One of them is given too.
    """
    for other in others:
        if flags.FLAGS[other.name].present:
            raise UserError(f"--{other.name}: given with --{chosen.name}, expected one of the two")


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what was odd but usable, a line each."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def use_cpu_cores(count: int | None = None) -> None:
    """Let JAX see each CPU core as a device, so that a population is spread over the cores.

    Has no effect on accelerators. Must be called before the first use of a JAX device.

    Args:
        count: Number of CPU devices; all cores this process may use when None.
    """
    # Imported late here and below: programs that only read runs start without JAX.
    import jax

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_num_cpu_devices", count or available or 1)


def device_name() -> str:
    """Return the kind and number of the devices in use, for example `2 x cpu`."""
    import jax

    devices = jax.local_devices()
    return f"{len(devices)} x {devices[0].device_kind}"
