"""The engine: trains populations of candidates and searches among them.

It knows a method as a `Problem` (how one candidate is initialised, trained and evaluated) and a
`Space` (which candidates there are), and nothing else of it.
"""
