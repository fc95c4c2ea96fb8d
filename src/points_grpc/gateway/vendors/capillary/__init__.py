"""Capillary's API."""
