"""A whole clip, from file to file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from facedial.editing.request import Edit
from facedial.editing.table import BEST, FULL
from facedial.editor import Editor
from facedial.errors import BadRequest, NoFaceFound
from facedial.faces.choose import FaceChoice, choose, choose_each
from facedial.faces.mark import EDITED
from facedial.video import clip as files
from facedial.video.edit import PersonEdit, encode_faces, of_person, rendered
from facedial.video.tracks import Person, follow, people, smoothed

FOLLOWING, ENCODING = "Following faces", "Encoding faces"
COMPUTING, EDITING = "Computing the edit", "Editing frames"
Parts: TypeAlias = Sequence[tuple[FaceChoice, Edit]]
# Is told the progress: a stage, how much of it is done, and of how much (0: not known).
Told: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class EditedClip:
    """What was done: the clip, how many people it shows, and the edit of each of those meant."""

    clip: files.Clip
    people: int
    numbers: tuple[int, ...]
    edits: tuple[PersonEdit, ...]


def edit_clip(
    editor: Editor,
    source: Path,
    target: Path,
    parts: Parts,
    *,
    method: tuple[str, str] = (BEST, FULL),
    overwrite: bool = False,
    told: Told | None = None,
) -> EditedClip:
    """Edit people of a clip, and write it with its sound; the target is complete or not there.

    `parts`: (face, edit); a face is chosen as in a photo (`faces.choose`), among the people of the
    clip, each as it is where it is first seen, the one most in the picture first. `method`: method and
    quality of `Editor.change`. `told`: of the progress. Raises `BadClip`, `NoFaceFound`, `BadRequest`,
    and as `Editor.edited` does.
    """
    if not editor.model.needs_face:
        raise BadRequest(f"the model {editor.model.name} does not look for faces, as a clip needs")
    say = told or (lambda stage, done, total: None)
    clip = files.open_clip(source)
    found, times = follow(files.frames(clip), editor.reader, _counter(say, FOLLOWING, clip.count))
    if not found:
        raise NoFaceFound(f"no face found in {source}; give a clip that shows one from the front")
    for track in found:
        smoothed(track, [float(time * clip.base) for time in times])
    everybody = people(found)
    chosen = _chosen(everybody, parts, source.name)
    seen = _counter(say, ENCODING, len(times))
    encode_faces(editor, files.frames(clip), [person for person, _ in chosen], seen)
    computed = _counter(say, COMPUTING, 0)
    edits = [of_person(editor, one, edit, *method, computed) for one, edit in chosen]
    done = _counter(say, EDITING, len(times))
    with files.writing(clip, target, mark=EDITED, overwrite=overwrite) as writer:
        for frame in rendered(editor, files.frames(clip), edits, clip.rate):
            writer.write(frame)
            done()
    numbers = tuple(1 + everybody.index(one) for one, _ in chosen)
    return EditedClip(clip, len(everybody), numbers, tuple(edits))


def _chosen(everybody: list[Person], parts: Parts, name: str) -> list[tuple[Person, Edit]]:
    faces = [person.first_face() for person in everybody]
    person_of = {id(face): person for face, person in zip(faces, everybody, strict=True)}
    if len(parts) == 1:
        ((choice, edit),) = parts
        return [(person_of[id(face)], edit) for face in choose(faces, choice, name)]
    chosen = choose_each(faces, [choice for choice, _ in parts], name)
    return [(person_of[id(f)], edit) for f, (_, edit) in zip(chosen, parts, strict=True)]


def _counter(say: Told, stage: str, total: int) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        say(stage, done, total)

    return count
