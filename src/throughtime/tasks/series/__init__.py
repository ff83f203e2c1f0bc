"""Series of numbers: a class or a number of each, or a label of every step."""
