"""The methods in PyTorch, as published and as fast as we can, to be measured beside ours.

They are no part of the wheel; `experiments.benchmark` finds them in the source tree.
"""
