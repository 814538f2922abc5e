"""facedial: photos of faces in, 1,024 numbers, changed and new faces out.

Importing does nothing: names below are resolved on first use (PEP 562).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facedial.codes.code import Code as Code
    from facedial.editing.request import Edit as Edit
    from facedial.editor import Editor as Editor
    from facedial.faces.photo import Photo as Photo
    from facedial.portrait import Portrait as Portrait

    __version__: str

_HOMES = {
    "Code": "facedial.codes.code",
    "Edit": "facedial.editing.request",
    "Editor": "facedial.editor",
    "Photo": "facedial.faces.photo",
    "Portrait": "facedial.portrait",
}
__all__ = ["Code", "Edit", "Editor", "Photo", "Portrait", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # as installed, where it comes from the repository's tags
        from importlib.metadata import version

        return version("facedial")
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'facedial' has no attribute {name!r}")
