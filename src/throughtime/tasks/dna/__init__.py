"""DNA: coding regions of genomes, classes of sequences."""
