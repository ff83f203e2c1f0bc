"""Clients of a server, and a server beside it, for ``serve.py``."""
