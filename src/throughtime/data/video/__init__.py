"""Clips and sequences of key points."""
