"""Relational message passing: digraphs, their expansion around queries, and attention layers."""
