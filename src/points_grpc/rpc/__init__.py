"""The gRPC edge: authenticates, decodes, hands on, encodes. Knows no storage."""
