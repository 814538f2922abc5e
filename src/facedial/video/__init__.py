"""Edits of video clips (extra `video`): faces tracked, one change of the code per person and clip.

`clip` reads and writes files, `tracks` follows faces and tells people apart, `edit` renders.
"""

from pathlib import PurePath

# Endings of clips that are written; others are read too where they are named here.
WRITABLE = (".mp4", ".mov", ".m4v", ".mkv")
READABLE = (*WRITABLE, ".webm", ".avi", ".mts", ".m2ts", ".3gp", ".mpg", ".mpeg", ".wmv")


def is_clip(name: str | PurePath) -> bool:
    """Whether a file's name has the ending of a video clip.

    >>> is_clip("holiday.MP4"), is_clip("holiday.gif")
    (True, False)
    """
    return PurePath(name).suffix.lower() in READABLE
