"""The contract's services: decode, hand on, encode."""
