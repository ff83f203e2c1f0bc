"""Genomes: bases, codons, records, intervals, sequences."""
