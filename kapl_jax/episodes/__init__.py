"""Episodes: tasks with support and query sets of ragged size, padded, batched and drawn anew."""
