"""TBNS' API."""
