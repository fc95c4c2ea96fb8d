"""Checks of the ledger's invariants."""
