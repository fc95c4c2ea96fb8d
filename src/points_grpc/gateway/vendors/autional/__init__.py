"""Autional's API."""
