"""Libraries that not everybody needs, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from throughtime.errors import UserError


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
