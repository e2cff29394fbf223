"""Data: knowledge graphs read, checked, looked up by name and downloaded with checksums.

`knowledge_graph` is the way in, and `reasoning` where a graph may be one of an `inductive` pair.
Below them `registry` knows the names and their checksums, `locate` finds a folder, `download` fills
the cache, `formats` reads the three folder formats (`text`, `ids` and `names` are its parts) into a
`parsed_graph`, and `checks` finds what is usable but odd. `fetch` is the command line of
`tools/fetch_data`.
"""
