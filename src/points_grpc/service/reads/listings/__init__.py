"""Pages of lots, transactions and changes."""
