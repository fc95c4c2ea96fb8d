"""Statements that only read, for queries and listings."""
