"""The methods in PyTorch, as published and as fast as we can, to be measured beside ours.

They need PyTorch, on which the library does not depend, and are no part of the wheel:
`experiments.benchmark` imports them late, from the source tree. `NAME_cases` makes what is timed of
a method's programs; the other modules of that name are the programs, of plain data.
"""
