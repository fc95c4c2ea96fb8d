"""What a running server consists of: processes, addresses, logs, metrics."""
