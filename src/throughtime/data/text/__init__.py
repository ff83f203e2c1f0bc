"""Texts: files, vocabularies, tables, tags, pairs."""
