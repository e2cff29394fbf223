"""Bilinear scoring of knowledge-graph triples: structures, their algebra, scores and losses."""
