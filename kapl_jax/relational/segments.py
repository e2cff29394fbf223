"""Finding equal values in the rows of a table on the device, without sorting."""

from __future__ import annotations

import jax
import jax.numpy as jnp

_MOST_POSITIONS = 1 << 31


def first_positions(values: jax.Array, bound: int) -> jax.Array:
    """Return for each value the first position in its row that holds the same value.

    The rows take turns with one map of `bound` numbers. What a row writes is larger than all that
    was written before it, so that the map is never cleared. A sort takes ten times as long on a
    CPU, and a map of each row would be as large as all scores of all entities.

    Args:
        values: int32[B, M], from 0 to `bound` - 1.
        bound: The number of different values that may come.

    Returns:
        int32[B, M], positions in 0..M - 1.

    Raises:
        ValueError: If B * M positions cannot be told apart by 32 bits.
    """
    rows, width = values.shape
    if rows * width >= _MOST_POSITIONS:
        raise ValueError(f"{rows} rows of {width} values: their product must be below 2^31")
    backwards = jnp.arange(width, 0, -1, dtype=jnp.int32)

    def look_up(latest: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        number, found = row
        written = number * width + backwards
        latest = latest.at[found].max(written)
        return latest, (number + 1) * width - latest[found]

    numbers = jnp.arange(rows, dtype=jnp.int32)
    return jax.lax.scan(look_up, jnp.zeros(bound, jnp.int32), (numbers, values))[1]
