"""Whole models as graphs: what each class of models becomes."""
