"""What a model reads of a step: words, letters, frames, points."""
