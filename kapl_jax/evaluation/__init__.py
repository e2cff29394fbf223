"""How good a trained model is: ranks, errors and relation patterns."""
