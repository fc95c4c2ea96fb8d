"""Lapses what is due, and says beforehand what it would do."""
