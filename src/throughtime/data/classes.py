"""Classes that are told by where their data lie: a folder a class, a file a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from throughtime.data.parts import inside, part_of

SUFFIXES = (".pos", ".neg", ".neu", ".positive", ".negative", ".neutral", ".objective", ".subjective", ".spam", ".ham")
"""Of files that hold a text of one class a line, named so."""

OTHERS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", *SUFFIXES)
"""Of files beside which text files are no classes."""

MOST = 50
"""Text files of a folder that may be a class each."""

NO_CLASSES = frozenset(
    re.findall(
        r"\w+",
        """text texts sentence sentences review reviews label labels class classes target targets document documents
        data readme license licence notes note words vocab vocabulary mapping categories index list urls ids names info
        src tgt about requirements source titles queries answers questions corpus all full""",
    )
)
"""Names, in lower case, of text files that hold something else than a class."""


def class_folders(folder: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """The files of every class, by the name of the folder that they lie in; folders of parts are no classes."""
    if not folder.is_dir():
        return {}
    folders = [found for found in inside(folder) if found.is_dir() and not part_of(found.name)]
    files = {found.name: [file for file in inside(found) if _is_kind(file, suffixes)] for found in folders}
    return {name: found for name, found in files.items() if found}


def class_files(folder: Path) -> dict[str, Path]:
    """The file of every class of a folder in which ``pos.txt`` and ``neg.txt`` hold a text a line.

    None where other data lie there, or a name tells of something else than a class: files of texts and of labels, say.
    """
    found = inside(folder) if folder.is_dir() else []
    files = [path for path in found if _is_kind(path, (".txt",))]
    others = [path for path in found if path.is_dir() or path.suffix.lower() in OTHERS]
    others += [path for path in files if class_of(path) is None or part_of(path.name)]
    return {path.stem: path for path in files} if 1 < len(files) <= MOST and not others else {}


def class_of(path: Path) -> str | None:
    """The class that a file of texts holds by its name; None where that tells no class.

    Example:
        >>> [class_of(Path(name)) for name in ("rt-polarity.pos", "neg.txt", "train.neg", "labels.txt", "a.csv")]
        ['pos', 'neg', 'neg', None, None]
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return suffix[1:]
    words = re.findall(r"[^\W_]+", path.stem.lower())
    return None if suffix != ".txt" or not words or NO_CLASSES & set(words) else path.stem


def _is_kind(file: Path, suffixes: Sequence[str]) -> bool:
    return file.suffix.lower() in suffixes and file.is_file()
