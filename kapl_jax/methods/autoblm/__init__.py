"""AutoBLM and AutoBLM+: search the scoring function for a knowledge graph.

Source: Zhang, Yao and Kwok, "Bilinear Scoring Function Search for Knowledge Graph Learning"
(TPAMI 2022).
"""
