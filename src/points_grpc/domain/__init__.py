"""The rules of points: pure functions and plain data, no input or output."""
