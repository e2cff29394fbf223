"""What every command-line program shares: error messages, exit codes, devices."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from absl import app, flags, logging

from kapl_jax.data.misspelling import similar_to
from kapl_jax.errors import UserError, one_line
from kapl_jax.runs.faults import describe_fault
from kapl_jax.runs.help import HelpFlag, own_flags
from kapl_jax.runs.interruption import Interruption, listen, stop_listening
from kapl_jax.runs.streams import STANDARD_OUTPUT, prepare_streams

# More devices than cores show how a population is spread; each has threads of its own.
_MOST_DEVICES = 64


def run_program(main: Callable[[list[str]], None]) -> None:
    """Run `main(argv)` under absl.

    A `UserError`, a flag that cannot be parsed, a file that cannot be read or written and memory
    that is used up become one line on stderr and exit status 1. Signals that end programs become
    one line, too, and exit status 128 and the signal's number.
    """

    def guarded(argv: list[str]) -> None:
        # Orbax logs each step at INFO, which would drown what the program itself has to say.
        logging.set_verbosity(logging.WARNING)
        with _told_in_one_line():
            main(argv)
            # Here and not at exit, where a reader that has gone could not be caught any more.
            sys.stdout.flush()

    prepare_streams()
    app.run(guarded, flags_parser=_parse_flags)


@contextlib.contextmanager
def _told_in_one_line() -> Iterator[None]:
    """End the program with a line on stderr where something but our own fault ends it."""
    try:
        listen()
        yield
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt as error:
        stop_listening()
        interruption = error if isinstance(error, Interruption) else Interruption(signal.SIGINT)
        print(interruption, file=sys.stderr)
        sys.exit(interruption.status)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and error.filename == STANDARD_OUTPUT:
            # The reader (`| head`) has gone: nothing more to say, and nothing to complain about.
            sys.exit(0)
        told = describe_fault(error)
        if told is None:
            raise
        _fail(told)
    finally:
        # What comes at exit, from a second Ctrl-C, would be the traceback of whatever cleans up.
        stop_listening()


def _parse_flags(argv: list[str]) -> list[str]:
    del flags.FLAGS.help
    flags.DEFINE_flag(HelpFlag())
    words: list[str] = []
    with _told_in_one_line():
        try:
            words = flags.FLAGS(argv)
        except SystemExit:
            # A flag has shown its help, which absl ends with status 1.
            sys.stdout.flush()
            sys.exit(0)
        except flags.UnrecognizedFlagError as error:
            _fail(f"{_unknown_flag(error.flagname)}; --help shows the flags")
        # A value given to --noFLAG is a plain ValueError.
        except (flags.Error, ValueError) as error:
            message = one_line(error).removeprefix("flag ")
            _fail(f"{message}; --help shows the flags")
    return words


def _unknown_flag(name: str) -> str:
    similar = similar_to(name.removeprefix("no"), [flag.name for flag in own_flags()])
    hint = f", did you mean {' or '.join(f'--{one}' for one in similar)}?" if similar else ""
    return f"--{name}: unknown flag{hint}"


def _fail(message: str) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def refuse_arguments(argv: Sequence[str]) -> None:
    """Refuse words on the command line that belong to no flag.

    Raises:
        UserError: There is one.
    """
    if len(argv) > 1:
        raise UserError(f"{argv[1]}: unexpected argument; every setting is a --flag, see --help")


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
        UserError: So many devices would be of no use, or JAX has none of the kind asked for.
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
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    try:
        jax.local_devices()
    # For a platform that it was not installed for, JAX fails an assertion.
    except (RuntimeError, AssertionError) as error:
        if not platforms:
            raise
        reason = one_line(error) or "it is not installed for that"
        raise UserError(
            f"$JAX_PLATFORMS={platforms}: JAX finds no such device: {reason}; expected one that "
            "this machine has, or the variable unset"
        ) from None


def device_name() -> str:
    """Return the kind and number of the devices in use, for example `2 x cpu`."""
    import jax

    devices = jax.local_devices()
    return f"{len(devices)} x {devices[0].device_kind}"
