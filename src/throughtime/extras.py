"""Libraries that not everybody needs, imported where they are used."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from throughtime.errors import UserError

TRAIN = ("torch", "safetensors", "tokenizers", "regex", "pydantic", "click", "rich", "rapidfuzz")
"""What training, and the command line, cannot do without."""


def training_lacks(what: str) -> str | None:
    """Which library is not installed that training needs, and how to get it, in a line; None where all are there.

    Args:
        what: Needs it: the beginning of the line.
    """
    missing = next((name for name in TRAIN if find_spec(name) is None), None)
    return None if missing is None else f"{what} needs {missing}; run: pip install 'throughtime[train]'"


def extra(module: str, name: str, what: str) -> Any:
    """Imports a library of one of the package's extras.

    Args:
        module: To import.
        name: Of the extra that brings it.
        what: Needs it: the beginning of the message.

    Raises:
        UserError: If it is not installed; says how to get it.

    Example:
        >>> extra("math", "none", "adding").pi > 3
        True
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        raise UserError(f"{what} needs {library}; run: pip install 'throughtime[{name}]'") from error
