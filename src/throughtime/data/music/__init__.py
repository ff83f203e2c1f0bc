"""Tunes: MIDI, ABC, piano rolls, events."""
