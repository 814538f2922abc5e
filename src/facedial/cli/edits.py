"""Edits of photos as `facedial edit` makes them: one photo after another, here or on a cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facedial.cli import asking, clusters, streams
from facedial.cli.batch import opened
from facedial.cli.options import DASH, Eyes, Face
from facedial.files import ending_of_result

if TYPE_CHECKING:
    from facedial.editing.learn import Learned
    from facedial.editing.request import Edit
    from facedial.editor import Editor
    from facedial.faces.photo import Photo
    from facedial.identity import Edited
    from facedial.portrait import Portrait


@dataclass(frozen=True, slots=True)
class Work:
    """Edits of photos, one for all faces or one for each: of which, by what method, and what is said.

    `quiet`: a report in JSON names the results, and identity is computed for it. `ready`: the portraits
    of the only photo, where they are there already.
    """

    editor: Editor
    edits: tuple[Edit, ...]
    method: str
    quality: str
    explain: bool
    strip: bool
    face: Face | Sequence[Face] = 1
    eyes: Eyes | None = None
    ending: str | None = None
    overwrite: bool = False
    quiet: bool = False
    ready: tuple[Portrait, ...] = ()

    def __call__(self, path: Path, target: Path | None) -> list[dict[str, Any]]:
        """Edit one photo, save or write it, and return the rows of the report."""
        assert target is not None
        data = streams.read_picture() if path == DASH else None
        photo = self.ready[0].photo if self.ready else opened(path, data)
        portraits = list(self.ready) or self.editor.portraits(photo, self.face, self.eyes)
        result, rows = self.edited(photo, portraits, photo.name)
        if target == DASH:
            streams.write_picture(result.encoded(_ending(path, data, self.ending)))
        else:
            for note in result.save(target, overwrite=self.overwrite):
                streams.warn(note)
            if not self.quiet:
                streams.say(str(target))
        return [{"input": str(path), "output": str(target), **row} for row in rows]

    def edited(
        self, photo: Photo, portraits: list[Portrait], name: str
    ) -> tuple[Photo, list[dict[str, Any]]]:
        """The photo with each portrait's face changed, and a row of the report for each.

        `name` is for what is said on stderr.
        """
        from facedial import strips
        from facedial.changes import WEARS
        from facedial.faces.memory import LARGE

        result, rows = photo, []
        edits = self.edits if len(self.edits) > 1 else self.edits * len(portraits)
        pairs = list(zip(portraits, edits, strict=True))
        # A large photo is not copied, unless a second face is read from it after the first edit.
        alone = len(pairs) == 1 and photo.size[0] * photo.size[1] >= LARGE
        all_made = self.editor.edited_all(
            pairs, method=self.method, quality=self.quality, in_place=alone
        )
        for made, edit in zip(all_made, edits, strict=True):
            before_it = result
            result, change = made.photo, made.change
            rows.append(self._reported(made, edit, name))
            if change.implied:
                streams.warn(asking.also_set(change.implied, name))
            if self.explain:
                for attribute, (before, after) in self.editor.readings(change).items():
                    streams.tell(f"{name}: {attribute} {before:.2f} -> {after:.2f}")
            if change.draws_eyes and self.editor.readings(change)["Eyeglasses"][0] > WEARS:
                streams.warn(
                    f"{name} shows no eyes behind its glasses, so they are drawn, and are nobody's own"
                )
            if result is before_it:
                streams.warn(
                    f"{name} shows no hair that could be recoloured and is left unchanged"
                    if any(change.recolour.values())
                    else f"{name} has the target values already ({', '.join(change.names)}) and is left "
                    "unchanged; --add goes further"
                )
        shown = strips.edit_strip(self.editor, portraits, result) if self.strip else result
        return shown, rows

    def _reported(self, made: Edited, edit: Edit, name: str) -> dict[str, Any]:
        """Implied attributes, strength and identity of one face; says what was lowered, or explained."""
        strength, asked = made.change.edit.strength, edit.strength
        # Computed only where somebody reads it.
        read = self.explain or self.quiet or edit.min_identity is not None
        identity = made.identity if read else None
        if strength != asked:
            streams.warn(
                f"{name}: strength lowered from {asked:.2g} to {strength:.2g}, which keeps an identity "
                f"of {identity:.2f}"
            )
        elif self.explain and identity is not None:
            streams.tell(f"{name}: identity {identity:.2f}")
        return {
            "face": made.portrait.number,
            "implied": dict(made.change.implied),
            "strength": strength,
            "identity": identity,
        }


def _ending(path: Path, data: bytes | None, chosen: str | None) -> str:
    """Of a file with the format for standard output: the chosen one, the photo's, or PNG."""
    if chosen is not None:
        return f".{chosen}"
    if data is not None:
        return streams.ending_of(data)
    return ending_of_result(path.suffix)


def on_cluster(asked: clusters.Asked, work: Work, learned: Sequence[Learned]) -> int:
    """Do as `work` on all photos by Ray; `learned`: directions that its edits may name."""
    from facedial.cluster import job

    settings = {
        "edits": [json.loads(one.to_json()) for one in work.edits],
        "face": work.face if isinstance(work.face, int | str) else list(work.face),
        "method": [work.method, work.quality],
        "learned": [[one.name, sha256(one.step.tobytes()).hexdigest()] for one in learned],
        "strip": work.strip,
        "explain": work.explain,
    }
    rest = {one.name: getattr(work, one.name) for one in dataclasses.fields(work)}
    del rest["editor"]
    done = job.Job(
        "edit",
        settings,
        clusters.Attempted(partial(_edited, partial(Work, **rest))),
        "edits",
        job.edits(),
        "edited",
        learned=tuple(learned),
        digest=job.digest(work.editor),
    )
    return asked.run(done)


def _edited(make: Callable[[Editor], Work], editor: Editor, photo: Photo) -> clusters.Results:
    """An edited photo, and what is reported of each face."""
    work = make(editor)
    result, rows = work.edited(photo, editor.portraits(photo, work.face), photo.name)
    return clusters.Results(
        [{**row, "implied": list(row["implied"].items())} for row in rows], result
    )
