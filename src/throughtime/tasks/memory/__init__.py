"""Tasks that make their own data and show what a cell remembers, and for how long."""
