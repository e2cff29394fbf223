"""The run directory and all that reads or writes it: events, checkpoints, progress, report."""
