"""What was searched or learned, given in symbols and pictures."""
