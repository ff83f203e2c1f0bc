"""Cells whose step adds to the state: steps of a differential equation, and weighted ways past the plain network."""
