"""Answers to queries."""
