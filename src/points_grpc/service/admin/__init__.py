"""Changes of programs, policies, members and credentials."""
