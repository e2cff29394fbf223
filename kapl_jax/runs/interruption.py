"""Signals that end a program: where work would be lost they wait until it is saved."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# Ctrl-C; a batch system's end of time or a machine's shutdown; a terminal that was closed; what
# batch systems send ahead of their end of time. Some are not everywhere.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
_AGAIN_SECONDS = 0.01
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Interruption(KeyboardInterrupt):
    """A signal asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that shells give a program that a signal ended."""
        return 128 + self.number

    def __str__(self) -> str:
        by = "" if self.number == signal.SIGINT else f" by {signal.Signals(self.number).name}"
        return f"interrupted{by}; give the same command again to continue"


@dataclasses.dataclass
class _State:
    """What signals find: signals and their handlers belong to the process.

    Attributes:
        asked: The first signal that came, None before.
        waiting: Whether signals wait.
    """

    asked: int | None = None
    waiting: bool = False


_STATE = _State()


def listen() -> None:
    """Let signals end this program by an `Interruption`; those that it was told to ignore do not.

    `nohup` has a program ignore SIGHUP, a shell without job control has one in the background
    ignore SIGINT.
    """
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in _DEFAULTS:
            signal.signal(number, _handle)


def stop_listening() -> None:
    """Let signals end this program at once: it says no more, and has nothing to lose."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_DFL)


def is_asked() -> bool:
    """Tell whether a signal waits for the program to end."""
    return _STATE.asked is not None


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Let a signal wait until the end of this block, or until `leave_if_asked`.

    A second one does not wait.

    Raises:
        Interruption: A signal came within.
    """
    with _set_waiting(True):
        yield
    if not _STATE.waiting:
        leave_if_asked()


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Let no signal wait within this block, as nothing would be lost.

    Raises:
        Interruption: A signal came before or within.
    """
    with _set_waiting(False):
        leave_if_asked()
        yield


def leave_if_asked() -> None:
    """End the program if a signal waits for it.

    Raises:
        Interruption: One does.
    """
    if _STATE.asked is not None:
        raise Interruption(_STATE.asked)


@contextlib.contextmanager
def _set_waiting(value: bool) -> Iterator[None]:
    before, _STATE.waiting = _STATE.waiting, value
    try:
        yield
    finally:
        _STATE.waiting = before


def _handle(number: int, frame: FrameType | None) -> None:
    if _STATE.asked is None and _STATE.waiting:
        _STATE.asked = number
    elif _is_deaf(frame):
        # Python would print the exception and go on; the signal comes again when that has ended.
        main = threading.main_thread().ident
        again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, number))
        again.daemon = True
        again.start()
    else:
        _STATE.asked = number
        raise Interruption(number)


def _is_deaf(frame: FrameType | None) -> bool:
    """Tell whether an exception raised here goes nowhere: when garbage is collected.

    JAX is called back at each collection, so that this is not rare.
    """
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
