"""Statements on programs, policies, tokens and settings."""
