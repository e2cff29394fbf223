"""How good a trained model is, and what it costs: ranking, relation patterns, parsimony."""
