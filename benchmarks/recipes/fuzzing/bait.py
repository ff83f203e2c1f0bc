"""Names that a file must not bring anyone to open or import: each stands for something outside of the folder."""

from __future__ import annotations

OUTSIDE = "outside"
"""A folder beside that of the input; nothing may be written there, nor read for a model folder."""

MODULE = "bait_module"
"""A module that may not be imported."""

BAIT = (f"{MODULE}:Bait".encode(), f"../../{OUTSIDE}/file".encode(), f"../{OUTSIDE}/file".encode())
