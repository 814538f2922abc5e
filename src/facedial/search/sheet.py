"""A contact sheet of faces that were found in an index."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.errors import FacedialError
from facedial.faces import sheet
from facedial.faces.crop import align
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.search.searcher import Hit

Pixels = NDArray[np.uint8]

SIDE = 128  # of a face's crop, in pixels
ACROSS = 6
GREY = 200  # level of the square of a face whose photo cannot be read


def crop_of(hit: Hit) -> Pixels:
    """The head of a found face, uint8 [128, 128, 3], from its photo; raises `FacedialError`."""
    face = Face(np.asarray(hit.box), hit.landmarks, hit.detected)
    return align(Photo.open(hit.file), face, size=SIDE).pixels


def contact_sheet(
    rows: Sequence[tuple[Pixels | None, Sequence[Hit]]],
) -> tuple[Photo, list[str]]:
    """Faces that were found, with their numbers and values; and what could not be shown, in sentences.

    `rows`: for each face that was looked for, its crop (None where faces were sorted) and the hits.
    """
    parts, notes = [], []
    for query, hits in rows:
        tiles = [] if query is None else [_tile(query, "looked for")]
        for rank, hit in enumerate(hits, 1):
            try:
                pixels = crop_of(hit)
            except (FacedialError, OSError) as error:
                notes.append(f"not on the sheet: {_reason(hit.file, error)}")
                pixels = np.full((SIDE, SIDE, 3), GREY, np.uint8)
            tiles.append(_tile(pixels, f"{rank}  {hit.value:.2f}"))
        if tiles:
            parts.append(sheet.grid(tiles, min(ACROSS, len(tiles))))
    whole = sheet.stack(parts) if parts else np.full((SIDE, SIDE, 3), sheet.WHITE, np.uint8)
    return Photo(whole, "found"), notes


def _tile(pixels: Pixels, text: str) -> Pixels:
    shown = sheet.resized(pixels, (SIDE, SIDE)) if pixels.shape[0] != SIDE else pixels
    return sheet.stack([shown, sheet.caption(text, SIDE)], gap=0)


def _reason(file: Path, error: FacedialError | OSError) -> str:
    text = str(error)
    return text if file.name in text else f"{file}: {text}"
