"""How to load the data of cold-start recommendation."""

from __future__ import annotations

from kapl_jax.data.cold_start import ColdStartData
from kapl_jax.data.cold_start_protocol import Protocol, make_tasks
from kapl_jax.data.cold_start_tables import assemble
from kapl_jax.data.locate import locate
from kapl_jax.data.planted_ratings import planted_cold_start
from kapl_jax.data.rating_formats import read_ratings
from kapl_jax.data.rating_range import ANY_RATING, AllowedRatings
from kapl_jax.data.registry import RATINGS, is_generated
from kapl_jax.errors import UserError


def load_cold_start(
    dataset: str,
    data_dir: str | None,
    protocol: Protocol,
    allowed: AllowedRatings = ANY_RATING,
) -> ColdStartData:
    """Find, read and check ratings, and make tasks of them.

    Args:
        dataset: A registered name, `planted` for generated users, or the path of a folder, an
            archive or a CSV file; see `locate.locate` and `rating_formats.read_ratings`.
        data_dir: A folder of data sets, where a registered name is looked for first.
        protocol: How tasks are made; Last.FM comes with its tasks, which it leaves as they are.
        allowed: Which ratings are allowed, see `rating_range`; not of generated users.

    Raises:
        UserError: The data are not there or of no known format, a file cannot be used, a split
            would get no users, or a download failed. The message is one line with file and line.
    """
    if is_generated(dataset, RATINGS):
        if allowed.limits is not None:
            limits = "{:g},{:g}".format(*allowed.limits)
            raise UserError(f"--rating_range: found {limits} for generated users, expected none")
        return planted_cold_start(protocol)
    name, path = locate(dataset, data_dir, RATINGS)
    table = read_ratings(path, allowed)
    if table.tasks is not None:
        return assemble(name, table, table.tasks)
    return assemble(name, table, *make_tasks(table.ratings, table.items, protocol))
