"""Imported lots and imported history."""
