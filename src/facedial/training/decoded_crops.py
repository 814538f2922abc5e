"""Crops beside what a bundle's codes keep of them: decoded faces and parses, computed once and kept."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import files
from facedial.data.store import Store
from facedial.errors import BadRun, BadStore
from facedial.faces.sheet import as_bytes, shrunk
from facedial.model import Model
from facedial.training.parse_labels import label_folder

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
BATCH = 8  # crops that are encoded and decoded together
LOGGED = 25  # batches between lines of the log
ABOUT = "about.json"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The crops `rows` of a store, their decoded faces and their parses.

    `faces`: uint8 [N, D, D, 3], the decoded face of each crop's code, D the side of the model's crops.
    `classes`: uint8 [N, D, D], indices in `faces.parse.CLASSES`; None where there was no parser.
    """

    store: Store
    rows: NDArray[np.int64]
    faces: UInt8
    classes: UInt8 | None

    def __len__(self) -> int:
        return len(self.rows)


def decoded(store: Store, split: str, most: int, folder: Path, model: Model) -> Decoded:
    """At most `most` crops of a split in a fixed random order, decoded by `model`, kept in `folder`.

    Those that are not there yet are computed; an interrupted call is resumed by the next one. Raises
    `BadRun` when what is kept is another model's.
    """
    rows = np.random.default_rng(0).permutation(store.where(split))[:most]
    own = label_folder(store, split, folder)
    own.mkdir(parents=True, exist_ok=True)
    parsed = model.has_parser
    claim(own / ABOUT, {"space": model.space, "side": model.side, "parsed": parsed})
    side = model.side
    shapes = {"faces": (side, side, 3)} | ({"classes": (side, side)} if parsed else {})
    paths = {name: own / f"{name}.u8" for name in shapes}
    done = min(
        path.stat().st_size // int(np.prod(shapes[name])) if path.exists() else 0
        for name, path in paths.items()
    )
    if done < len(rows):
        _compute(store, rows[done:], paths, done, model)
    kept = {
        name: np.memmap(paths[name], np.uint8, "r", shape=(len(rows), *shape))
        if len(rows)
        else np.zeros((0, *shape), np.uint8)
        for name, shape in shapes.items()
    }
    return Decoded(store, rows, kept["faces"], kept.get("classes"))


def claim(path: Path, about: dict[str, object]) -> None:
    """Write what the kept files are of, or check that it is the same."""
    if not path.exists():
        files.write(path, json.dumps(about) + "\n")
    elif (kept := json.loads(path.read_text())) != about:
        raise BadRun(
            f"{path.parent} holds faces decoded by another model ({kept}, not {about}); remove it or "
            "choose another folder"
        )


def _compute(
    store: Store, rows: NDArray[np.int64], paths: dict[str, Path], done: int, model: Model
) -> None:
    opened = {name: path.open("ab") for name, path in paths.items()}
    try:
        for name, file in opened.items():
            count = model.side**2 * (3 if name == "faces" else 1)
            file.truncate(done * count)
        for number, start in enumerate(range(0, len(rows), BATCH)):
            crops = np.stack([store.pixels[row] for row in rows[start : start + BATCH]])
            found = {"faces": as_bytes(model.decode(model.encode(shrunk(crops, model.side))))}
            if "classes" in opened:
                logits, _ = model.parse(crops)
                step = crops.shape[1] // model.side
                found["classes"] = logits[..., ::step, ::step].argmax(1).astype(np.uint8)
            for name, file in opened.items():
                file.write(found[name].tobytes())
                file.flush()
            if number % LOGGED == 0:
                log.info("%s: decoded %d of %d crops", store.path.name, start, len(rows))
    finally:
        for file in opened.values():
            file.close()


@dataclass(frozen=True, slots=True)
class DecodedCrops:
    """Decoded crops of several stores as one collection, addressed 0..n-1.

    `address`: [N, 2], part and index in it.
    """

    parts: Sequence[Decoded]
    address: NDArray[np.int64]

    @staticmethod
    def of(parts: Sequence[Decoded], whose: str) -> "DecodedCrops":
        """The crops of `parts`; raises `BadStore` if there are none. `whose`: people, for its message."""
        address = [(number, i) for number, part in enumerate(parts) for i in range(len(part))]
        if not address:
            raise BadStore(f"the stores have no crops of {whose} people")
        return DecodedCrops(parts, np.array(address, np.int64))

    def __len__(self) -> int:
        return len(self.address)

    def pixels(self, chosen: NDArray[np.int64]) -> UInt8:
        """Crops uint8 [n, S, S, 3]."""
        found = [(self.parts[p], i) for p, i in self.address[chosen]]
        return np.stack([own.store.pixels[own.rows[i]] for own, i in found])

    def faces(self, chosen: NDArray[np.int64]) -> UInt8:
        """Decoded faces uint8 [n, D, D, 3]."""
        return np.stack([self.parts[p].faces[i] for p, i in self.address[chosen]])

    def classes(self, number: int) -> UInt8 | None:
        """Classes uint8 [D, D] of a crop; None where it was not parsed."""
        part, i = self.address[number]
        classes = self.parts[part].classes
        return None if classes is None else classes[i]

    def known(self, number: int) -> NDArray[np.bool_]:
        """Pixels bool [S, S] of a crop inside its photo."""
        part, i = self.address[number]
        own = self.parts[part]
        known: NDArray[np.bool_] = own.store.known(int(own.rows[i]))
        return known
