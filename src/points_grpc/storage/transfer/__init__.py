"""Statements that move many rows in and out: import and export."""
