"""Settings that belong to faces: `--face 1 --set Smiling=1 --face 2 --set Eyeglasses=1`.

Settings after a `--face` are that face's. With several of them, what stands before the first holds for
all, and a face's own settings win over it. With at most one, all settings are of that face, wherever
they stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from facedial.cli.options import EditOptions, Face, over

if TYPE_CHECKING:
    from facedial.editing.request import Edit

SETTINGS = tuple(field.name for field in fields(EditOptions))
KEY = "facedial.by_face"
OPTION = "--face"


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """A face, and the settings that follow it; `common`: those before the first face."""

    face: Face
    own: dict[str, Any]
    common: dict[str, Any]

    def edit(self, known: Iterable[str]) -> Edit:
        """The edit of this face; raises as `EditOptions.edit` does."""
        names = tuple(known)
        # A preset's strength is a factor; that of options replaces the common one.
        factors = {n: self.common[n] for n in ("strength", "exactly") if n in self.common}
        rest = {name: value for name, value in self.common.items() if name not in factors}
        own = EditOptions(**{**factors, **self.own}).edit(names)
        return over(own, EditOptions(**rest).edit(names))


class ByFace(click.Command):
    """A command with the options of an edit and a `--face` that may be given several times."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; where `--face` is given several times, the settings of each are kept."""
        parts = _parts(args)
        rest = super().parse_args(ctx, args)
        if len(parts) > 2:
            common, *others = (self._settings(ctx, part) for part in parts)
            faces = [FaceSettings(one.pop("face"), one, common) for one in others]
            _check([one.face for one in faces], ctx)
            ctx.meta[KEY] = faces
        return rest

    def _settings(self, ctx: click.Context, part: list[str]) -> dict[str, Any]:
        """Face and settings that a part of the words gives, converted."""
        given, _, _ = self.make_parser(ctx).parse_args(list(part))
        return {
            param.name: param.type_cast_value(ctx, given[param.name])
            for param in self.params
            if param.name in given and param.name in ("face", *SETTINGS)
        }


def settings(ctx: click.Context) -> list[FaceSettings]:
    """The faces that are given settings of their own; none where `--face` is given at most once."""
    found: list[FaceSettings] = ctx.meta.get(KEY, [])
    return found


def _parts(words: list[str]) -> list[list[str]]:
    """The words before the first `--face`, and from each to the next."""
    parts: list[list[str]] = [[]]
    for i, word in enumerate(words):
        if word == "--":
            parts[-1] += words[i:]
            break
        if word == OPTION or word.startswith(f"{OPTION}="):
            parts.append([])
        parts[-1].append(word)
    return parts


def _check(faces: list[Face], ctx: click.Context) -> None:
    """Raise `UsageError` for what no photo could mean; faces that differ in words are compared later."""
    for i, face in enumerate(faces):
        if face == "all":
            raise click.UsageError(
                f"{OPTION} all names every face, so it cannot stand beside another {OPTION}; settings "
                f"before the first {OPTION} hold for all that are named",
                ctx,
            )
        if str(face) in map(str, faces[:i]):
            raise click.UsageError(f"{OPTION} {face} is given twice; name each face once", ctx)
