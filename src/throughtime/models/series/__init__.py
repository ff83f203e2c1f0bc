"""Models of numbers over time."""
