"""The programs: one a method, and predict, report, compare and benchmark for all of them."""
