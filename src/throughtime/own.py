"""Classes of the user's own, named as ``module:Class``."""

from __future__ import annotations

import importlib
import inspect
from typing import TypeVar

from throughtime.errors import UserError

T = TypeVar("T")


def import_class(what: str, name: str, base: type[T]) -> type[T]:
    """Imports a class.

    Args:
        what: What it is, for messages: "cell", "task".
        name: A dotted module and a class in it, separated by a colon.
        base: What it must be a subclass of.

    Raises:
        UserError: If there is no such module or class.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or module_name.startswith("."):
        raise UserError(f"{what} {name!r}: expected module:Class with the module's full dotted name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(f"{what} {name!r}: {error}; is the module's folder on PYTHONPATH?") from error
    found = getattr(module, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise UserError(f"{what} {name!r}: module {module_name} has no {base.__name__} subclass named {class_name!r}")
    return found
