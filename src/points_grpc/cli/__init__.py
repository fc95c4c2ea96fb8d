"""The command line, and the only place that wires the parts together."""
