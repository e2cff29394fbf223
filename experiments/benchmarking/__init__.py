"""What is measured by `experiments.benchmark`: training and evaluation of each method, and how."""
