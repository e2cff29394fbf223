"""Hypernetwork modulation: operations, structures, layouts of rows, the set encoder."""
