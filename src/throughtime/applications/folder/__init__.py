"""The model folder: what lies in it, what may be read of it, and the model that is built from it."""
