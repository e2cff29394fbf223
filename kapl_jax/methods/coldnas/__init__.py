"""ColdNAS: where and how a hypernetwork modulates a predictor, for users with few ratings."""
