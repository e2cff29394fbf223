"""Command line of `tools/fetch_data`: downloads registered data sets and prints where they lie."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kapl_jax.data.locate import download_into_cache
from kapl_jax.data.misspelling import did_you_mean
from kapl_jax.data.registry import find_dataset, registered_names, similar_names
from kapl_jax.data.text import quote
from kapl_jax.errors import UserError


def fetch(name: str) -> Path:
    """Put the registered data set called `name` into the user's cache and return its folder.

    The second graph of an inductive pair comes along: it lies beside, with `_ind` appended.

    Raises:
        UserError: The name is not registered or the download failed.
    """
    dataset = find_dataset(name)
    if dataset is None:
        hint = did_you_mean(similar_names(name))
        names = ", ".join(registered_names())
        raise UserError(f"found no data set {quote(name)}{hint}, expected one of {names}")
    return download_into_cache(dataset)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch every data set named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="tools/fetch_data", description="Download registered data into the user's cache."
    )
    names = ", ".join(registered_names())
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"any of {names}")
    try:
        for name in parser.parse_args(arguments).names:
            print(fetch(name))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
