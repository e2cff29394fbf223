"""What every command-line program shares: error messages, exit codes, devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from absl import app, flags, logging

from kapl_jax.data.misspelling import similar_to
from kapl_jax.errors import UserError
from kapl_jax.runs.faults import describe_fault
from kapl_jax.runs.help import HelpFlag, own_flags
from kapl_jax.runs.streams import drop_stdout, prepare_streams

# More devices than cores show how a population is spread; each has threads of its own.
_MOST_DEVICES = 64


def run_program(main: Callable[[list[str]], None]) -> None:
    """Run `main(argv)` under absl.

    A `UserError`, a flag that cannot be parsed, a file that cannot be read or written and memory
    that is used up become one line on stderr and exit status 1.
    """

    def guarded(argv: list[str]) -> None:
        # Orbax logs each step at INFO, which would drown what the program itself has to say.
        logging.set_verbosity(logging.WARNING)
        main(argv)
        # Here and not at exit, where a reader that has gone could not be caught any more.
        sys.stdout.flush()

    prepare_streams()
    try:
        app.run(guarded, flags_parser=_parse_flags)
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted; give the same command again to continue", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone: nothing more to say, and nothing to complain about.
        drop_stdout()
    except Exception as error:
        told = describe_fault(error)
        if told is None:
            raise
        _fail(_of_stdout(error) or told)


def _parse_flags(argv: list[str]) -> list[str]:
    del flags.FLAGS.help
    flags.DEFINE_flag(HelpFlag())
    try:
        return flags.FLAGS(argv)
    except SystemExit:
        # A flag that shows help has done so; absl's end with status 1.
        sys.stdout.flush()
        sys.exit(0)
    except flags.UnrecognizedFlagError as error:
        names = [flag.name for flag in own_flags()]
        similar = similar_to(error.flagname.removeprefix("no"), names)
        hint = f", did you mean {' or '.join(f'--{name}' for name in similar)}?" if similar else ""
        _fail(f"--{error.flagname}: unknown flag{hint}; --help shows the flags")
    # A value given to --noFLAG is a plain ValueError.
    except (flags.Error, ValueError) as error:
        message = " ".join(str(error).split()).removeprefix("flag ")
        _fail(f"{message}; --help shows the flags")


def _of_stdout(error: Exception) -> str:
    """Return what to say where standard output cannot be written, which errors do not name."""
    if not isinstance(error, OSError) or error.filename is not None:
        return ""
    try:
        sys.stdout.flush()
    except OSError as again:
        drop_stdout()
        return f"standard output: cannot be written: {again.strerror}"
    return ""


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


def refuse_beside(chosen: str, *others: str) -> None:
    """Refuse flags that mean nothing beside another, which was given.

    Args:
        chosen: Name of the flag that was given.
        *others: Names of what does not go with it.

    Raises:
        UserError: One of them is given too.
    """
    for other in others:
        if flags.FLAGS[other].present:
            raise UserError(f"--{other}: given with --{chosen}, expected one of the two")


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what was odd but usable, a line each."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def use_cpu_cores(count: int = 0) -> None:
    """Let JAX see each CPU core as a device, so that a population is spread over the cores.

    Has no effect on accelerators. Must be called before the first use of a JAX device.

    Args:
        count: Number of CPU devices; 0 for all cores this process may use.

    Raises:
        UserError: So many devices would be of no use.
    """
    # Imported late here and below: programs that only read runs start without JAX.
    import jax

    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    cores = len(affinity) or os.cpu_count() or 1
    if count > max(cores, _MOST_DEVICES):
        raise UserError(
            f"--cpu_devices={count}: found {cores} CPU cores, expected at most "
            f"{max(cores, _MOST_DEVICES)} devices; 0 takes all cores"
        )
    jax.config.update("jax_num_cpu_devices", count or cores)


def device_name() -> str:
    """Return the kind and number of the devices in use, for example `2 x cpu`."""
    import jax

    devices = jax.local_devices()
    return f"{len(devices)} x {devices[0].device_kind}"
