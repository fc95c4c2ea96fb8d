"""The demo: its programs, its story and the client that tells it."""
