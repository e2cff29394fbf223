"""Knowledge-aware parsimony learning in JAX."""
