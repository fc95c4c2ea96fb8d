"""Altcraft's API."""
