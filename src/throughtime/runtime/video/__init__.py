"""Videos as the steps that a model reads: what is shown when, fitted into a square."""
