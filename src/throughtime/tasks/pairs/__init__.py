"""Tasks from one sequence to another: translation, pronunciation."""
