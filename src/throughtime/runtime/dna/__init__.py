"""DNA, as a model reads it."""
