"""Statements that read and change accounts, lots and what happened to them."""
