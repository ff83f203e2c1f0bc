"""Actions in videos and in sequences of key points."""
