"""Measuring speed and memory, and the PyTorch programs that are measured beside ours."""
