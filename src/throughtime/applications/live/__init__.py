"""How trained models read many streams side by side."""

from throughtime.applications.live.parts import Live, Output, Reader, Takes

__all__ = ["Live", "Output", "Reader", "Takes"]
