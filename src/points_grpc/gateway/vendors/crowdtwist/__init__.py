"""Crowdtwist's API."""
