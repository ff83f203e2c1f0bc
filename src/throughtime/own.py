"""Classes of the user's own, named as ``module:Class``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from throughtime.errors import UserError, listed, nearest

K = TypeVar("K")
T = TypeVar("T")

_said: ContextVar[Collection[str] | None] = ContextVar("_said", default=None)
"""Classes that may be imported; None: whoever asks for one is the user."""


@contextmanager
def only(names: Collection[str] | None) -> Iterator[None]:
    """Inside this block names come from a file, which gives no leave: of classes only these are imported.

    Args:
        names: What the user named; None: the user named everything.
    """
    before = _said.set(names)
    try:
        yield
    finally:
        _said.reset(before)


def find_class(what: str, name: str, known: Mapping[str, K], base: type[T]) -> K | type[T]:
    """What has a name of its own, or a class named as ``module:Class``, which imports the module.

    Args:
        what: What it is, for messages: "cell", "task".
        name: The name.
        known: What has names.
        base: What a class must be a subclass of.

    Raises:
        UserError: If there is none; names the nearest one.
    """
    if name in known:
        return known[name]
    if ":" not in name:
        raise UserError(
            f"unknown {what} {name!r}{nearest(name, known)}; built-in {what}s: {listed(known)}; "
            f"a {what} of your own is written module:Class"
        )
    return import_class(what, name, base)


def import_class(what: str, name: str, base: type[T]) -> type[T]:
    """Imports a class.

    Args:
        what: What it is, for messages: "cell", "task".
        name: A dotted module and a class in it, separated by a colon.
        base: What it must be a subclass of.

    Raises:
        UserError: If there is no such module or class, or a file names it and the user does not.
    """
    said = _said.get()
    if said is not None and name not in said:
        raise UserError(
            f"its {what} {name} is code outside of the folder, which is not run unasked; pass --{what.split()[-1]} "
            f"{name} if you trust it"
        )
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
