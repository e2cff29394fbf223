"""The programs: one per method, and predict, report, compare and benchmark for all of them."""
