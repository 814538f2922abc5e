"""The pictures of the README: edits of a public-domain portrait, and the first new faces of seed 0.

`python benchmarks/pictures.py [-o docs/pictures] [--model BUNDLE]` writes `edits.webp` and `faces.webp`.
Nothing is selected: each is the first result.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces import sheet
from facedial.faces.mark import EDITED, GENERATED
from facedial.faces.photo import Photo

EDITS = (
    Edit({"Smiling": 0}),
    Edit({"Eyeglasses": 1}),
    Edit({"Eyeglasses": 1}, lens_darkness=1),
    Edit({"Blond_Hair": 1}),
    Edit(hair_colour="#7a3318"),
    Edit({"Young": 0}),
    Edit({"Young": 0, "Gray_Hair": 1}),
    Edit({"Male": 1}),
    Edit({"Bald": 1}),
)
BOX = (64, 0, 384, 320)  # head and shoulders in the portrait
TILE, ACROSS, FACES = 256, 5, 64
FACE = 160  # px: the sheet of new faces is no larger than a screen


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--model")
    asked = parser.parse_args()
    with Editor.open(asked.model) as editor:
        photo = Photo.of(Image.fromarray(data.astronaut()))  # type: ignore[no-untyped-call]
        (portrait,) = editor.portraits(photo)
        made = [photo, *(editor.render(portrait, edit) for edit in EDITS)]
        tiles = [
            np.asarray(Image.fromarray(one.pixels).crop(BOX).resize((TILE, TILE), 1))
            for one in made
        ]
        edits = Photo(sheet.grid(tiles, ACROSS), "edits", mark=EDITED)
        edits.save(asked.o / "edits.webp", overwrite=True)
        faces = editor.decode(editor.generate(FACES, seed=0), size=editor.size())
        small = [sheet.resized(one, (FACE, FACE)) for one in faces]
        new = Photo(sheet.grid(small, 8), "faces", mark=GENERATED)
        new.save(asked.o / "faces.webp", overwrite=True)


if __name__ == "__main__":
    main()
