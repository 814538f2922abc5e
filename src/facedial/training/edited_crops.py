"""Edits of crops before their fine detail is drawn: what the detail network meets in use."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import parsing, render
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.crop import head_template
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.faces.sheet import as_bytes
from facedial.training.decoded_crops import claim
from facedial.training.parse_labels import label_folder

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
# Edits that are drawn: those that are made of the photo's own pixels get no detail. A fringe or a hat
# is where it goes.
EDITS = (
    *("Bangs", "Wavy_Hair", "Straight_Hair", "Receding_Hairline", "Wearing_Hat"),
    *("Eyeglasses", "High_Cheekbones", "Bags_Under_Eyes", "Big_Nose", "Pointy_Nose"),
)
PRESENT = 0.5  # probability from which on an attribute is taken away
LEAST = 0.004  # share of a crop; an edit that draws less is not kept
LOGGED = 50  # edits between lines of the log
ABOUT = "edits.json"
CHANNELS = 4  # red, green and blue of the composite, and the region


@dataclass(frozen=True, slots=True)
class EditedCrops:
    """Edits of crops of several stores, addressed 0..n-1.

    `parts`: uint8 [N, S, S, 4], the composite and its region, the share of each pixel (255: all of it)
    that is the drawing of 128 px, enlarged.
    """

    parts: Sequence[UInt8]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def at(self, chosen: NDArray[np.int64]) -> tuple[UInt8, UInt8]:
        """Composites uint8 [n, S, S, 3] and regions uint8 [n, S, S]."""
        starts = np.cumsum([0, *map(len, self.parts)])
        found = []
        for number in chosen:
            part = int(np.searchsorted(starts, number, "right")) - 1
            found.append(self.parts[part][number - starts[part]])
        both = np.stack(found)
        return both[..., :3], both[..., 3]


def edited(
    stores: Sequence[Store], split: str, count: int, folder: Path, path: Path | None
) -> EditedCrops:
    """`count` edits of crops of a split of each store by the bundle at `path`, kept in `folder`.

    Those that are not there yet are computed; an interrupted call is resumed by the next one. Raises
    `BadRun` when what is kept is another model's.
    """
    parts = []
    with Editor.open(path) as editor:
        for store in stores:
            own = label_folder(store, split, folder)
            own.mkdir(parents=True, exist_ok=True)
            claim(own / ABOUT, {"space": editor.model.space, "edits": list(EDITS)})
            file, shape = own / "edits.u8", (store.size, store.size, CHANNELS)
            size = int(np.prod(shape))
            done = file.stat().st_size // size if file.exists() else 0
            if done < count and len(store.where(split)):
                done = _compute(store, split, range(done, count), file, editor)
            kept = min(done, count)
            parts.append(
                np.memmap(file, np.uint8, "r", shape=(kept, *shape))
                if kept
                else np.zeros((0, *shape), np.uint8)
            )
    return EditedCrops(parts)


def _compute(store: Store, split: str, numbers: range, path: Path, editor: Editor) -> int:
    """Append the edits `numbers` of a split to a file; how many it has then."""
    rows = np.random.default_rng(0).permutation(store.where(split))
    with path.open("ab") as file:
        file.truncate(numbers.start * store.size**2 * CHANNELS)
        for number in numbers:
            # Of some crops nothing comes: then the next ones are tried.
            for attempt in range(len(rows)):
                rng = np.random.default_rng([number, attempt])
                row = int(rows[(number + attempt * len(numbers)) % len(rows)])
                found = composite(editor, store, row, EDITS[int(rng.integers(len(EDITS)))])
                if found is not None:
                    break
            else:
                return number
            file.write(found.tobytes())
            file.flush()
            if number % LOGGED == 0:
                log.info("%s: edited %d of %d crops", store.path.name, number, numbers.stop)
    return numbers.stop


def composite(editor: Editor, store: Store, row: int, name: str) -> UInt8 | None:
    """A crop with its attribute turned to the opposite, as [S, S, 4]; None where hardly any is drawn."""
    box = np.array([0.0, 0.0, store.size, store.size])
    face = Face(box, head_template(store.size), 1.0)
    (portrait,) = editor.read(Photo(store.pixels[row]), [face])
    away = editor.predict_attributes(portrait)[name] > PRESENT
    change = editor.change(portrait, Edit({name: 0.0 if away else 1.0}))
    if not change.draws:
        return None
    fine = parsing.head_crop(portrait)
    drawn = render.composed(editor.model, portrait, change)
    own = render.composed_in(portrait.crop, fine, drawn)
    region = render.redrawn(own) * store.known(row)
    if region.mean() < LEAST:
        return None
    pixels = as_bytes(fine.pixels + own.difference)
    return np.concatenate([pixels, as_bytes(255 * region)[..., None]], 2)
