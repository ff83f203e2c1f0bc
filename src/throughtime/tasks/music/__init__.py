"""Music: tunes as frames of keys, or as events."""
