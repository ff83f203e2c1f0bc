"""How good models are: the figures of labels, of words that were heard, and of runs side by side."""
