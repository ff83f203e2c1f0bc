"""Sound: recordings, filter banks."""
