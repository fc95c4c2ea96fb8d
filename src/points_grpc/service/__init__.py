"""The service: resolves names, gathers state, lets the domain decide, applies."""
