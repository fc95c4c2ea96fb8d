"""Importing files of members, lots and history: reading, resolving, posting, writing by chunks."""
