"""What training read, as every run tells it: on the terminal, in its ``data.json``, and to ``inspect RUN --data``."""
