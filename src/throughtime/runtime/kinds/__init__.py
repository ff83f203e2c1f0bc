"""The kinds of runners, a module each; which one runs a folder stands in its manifest."""

from __future__ import annotations

import importlib

from throughtime.errors import UserError, listed
from throughtime.runtime.folder import Folder
from throughtime.runtime.runner import Runner

KINDS = {
    "classes": "ClassesRunner",
    "clips": "ClipsRunner",
    "dna": "DnaRunner",
    "regions": "RegionsRunner",
    "steps": "StepsRunner",
    "tags": "TagsRunner",
    "text": "TextRunner",
    "translation": "TranslationRunner",
    "pronunciation": "PronunciationRunner",
    "speech": "SpeechRunner",
    "videos": "VideosRunner",
    "events": "EventsRunner",
    "keys": "KeysRunner",
}
"""The class in the module of each kind's name."""


def find_runner(folder: Folder) -> Runner:
    """What runs a folder.

    Raises:
        UserError: If its kind is none that is known.
    """
    if folder.runner not in KINDS:
        raise UserError(f"{folder.path}: no runner is called {folder.runner!r}; there are {listed(KINDS)}")
    module = importlib.import_module(f"throughtime.runtime.kinds.{folder.runner}")
    found = getattr(module, KINDS[folder.runner])(folder)
    assert isinstance(found, Runner)
    return found
