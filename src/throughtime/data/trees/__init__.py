"""Trees: treebanks and batches by height."""
