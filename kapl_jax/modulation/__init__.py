"""Hypernetwork modulation: operations, structures, set encoders and the modulated predictor."""
