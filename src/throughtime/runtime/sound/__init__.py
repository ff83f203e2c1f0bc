"""Sound as the features that a recogniser reads, in NumPy alone."""
