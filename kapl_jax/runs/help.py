"""What `--help` shows: the program and its own flags, in the order of their settings."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Any

from absl import flags

from kapl_jax.runs.flag_types import FlagType


class HelpFlag(flags.BooleanFlag):
    """Shows the help and ends the program."""

    def __init__(self) -> None:
        super().__init__("help", False, "Show this help.", short_name="h")

    def parse(self, argument: Any) -> None:
        """Show the help; see `absl.flags.Flag`."""
        if self._parse(argument):
            print(help_text())
            sys.exit(0)


def help_text() -> str:
    """Return the program's description and its flags; those of its libraries are left out."""
    described = (sys.modules["__main__"].__doc__ or "").strip()
    entries = [_entry(flag) for flag in own_flags()]
    return "\n".join([described, "", "Flags:", *entries, "", "--helpfull shows all flags."])


def own_flags() -> list[flags.Flag[Any]]:
    """Return the flags of the program itself, in the order in which they were defined."""
    return list(flags.FLAGS.get_key_flags_for_module(sys.argv[0]))


def _entry(flag: flags.Flag[Any]) -> str:
    default = flag.default
    shown = flag.parser.shown if isinstance(flag.parser, FlagType) else flag.flag_type().upper()
    given = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={shown}"
    if isinstance(default, bool):
        default = "yes" if default else "no"
    meaning = flag.help if default in ("", [], None) else f"{flag.help} Default: {default}."
    width = min(100, shutil.get_terminal_size().columns)
    indent = " " * 6
    text = textwrap.fill(meaning, width, initial_indent=indent, subsequent_indent=indent)
    return f"  {given}\n{text}"
