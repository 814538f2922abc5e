"""Plug-ins by folder: recipes, metrics and verbs are modules of a package, without a registry."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from facedial.errors import UnknownName


def nearest(wrong: str, known: Iterable[str], kind: str) -> str:
    """One sentence: the name `wrong` is unknown, and the nearest of the `known` names.

    >>> nearest("Smilling", ["Smiling", "Male"], "attribute")
    "no attribute named 'Smilling'; did you mean Smiling?"
    >>> nearest("zzz", ["b", "a"], "verb")
    "no verb named 'zzz'; known: a, b"
    """
    table = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    key = wrong.lower().replace("_", "").replace("-", "")
    close = difflib.get_close_matches(key, table, n=1, cutoff=0.6)
    if close:
        return f"no {kind} named {wrong!r}; did you mean {table[close[0]]}?"
    return f"no {kind} named {wrong!r}; known: {', '.join(sorted(table.values()))}"


def names(package: str) -> list[str]:
    """Names of the modules in `package` (dotted), sorted, with hyphens for underscores.

    Modules with a leading underscore are left out.
    """
    path = importlib.import_module(package).__path__
    return sorted(
        m.name.replace("_", "-") for m in pkgutil.iter_modules(path) if not m.name.startswith("_")
    )


def load(package: str, name: str, kind: str) -> ModuleType:
    """Import module `name` of `package`; raises `UnknownName` with the nearest name."""
    known = names(package)
    if name not in known:
        raise UnknownName(nearest(name, known, kind))
    return importlib.import_module(f"{package}.{name.replace('-', '_')}")
