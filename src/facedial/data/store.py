"""A store: a memory-mapped array of crops and a Parquet index, ready for training."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facedial.codes.attributes import NAMES
from facedial.data import tables
from facedial.data.item import SPLITS
from facedial.errors import BadRequest, BadStore
from facedial.faces.crop import inside_photo

FORMAT = 1
PIXELS, INDEX, FACTS = "pixels.u8", "index.parquet", "store.json"
MASKS = "masks.parquet"
COLUMNS = ("file", "person", "split", "landmarks", "inside", "to_photo", "photo_size", *NAMES)

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """N prepared crops; row i of every array is the same crop.

    `pixels`: read-only memory-mapped uint8 [N, S, S, 3]. `landmarks`: float32 [N, 5, 2] in crop
    pixels. `attributes`: float32 [N, 40] in 0..1, in CelebA's order. `inside`: float32 [N], share
    of the crop inside its photo. `to_photo`: float64 [N, 2, 3], crop pixel to photo pixel.
    `photo_size`: int32 [N, 2], width and height, 0 unknown. Other unknown numbers are NaN. `extra`:
    other columns of the labels, as text. `masks`: name -> a PNG or None for each crop; `mask` reads
    them. `skipped`: (file, reason) of pictures left out.
    A store is pickled as its path, so that data loaders in other processes map it themselves.
    """

    path: Path
    frame: str
    size: int
    kind: str
    pixels: npt.NDArray[np.uint8]
    file: list[str]
    person: Texts
    split: Texts
    landmarks: Floats
    attributes: Floats
    inside: Floats
    to_photo: npt.NDArray[np.float64]
    photo_size: npt.NDArray[np.int32]
    extra: Mapping[str, Texts]
    masks: Mapping[str, list[bytes | None]]
    skipped: tuple[tuple[str, str], ...]

    @staticmethod
    def open(path: str | Path) -> "Store":
        """Open the store in the folder `path`; raises `BadStore` if it is missing or damaged."""
        path = Path(path)
        facts = read_facts(path)
        count, size = int(facts["count"]), int(facts["size"])
        for name in (PIXELS, INDEX):
            if not (path / name).is_file():
                raise BadStore(f"the store {path} lacks {name}; prepare it again")
        wanted, got = count * size * size * 3, (path / PIXELS).stat().st_size
        if wanted != got:
            raise BadStore(
                f"{path / PIXELS} has {got} bytes, not {wanted}; prepare the store again"
            )
        index = _index(path)
        if index.num_rows != count:
            raise BadStore(f"the index of {path} has {index.num_rows} rows, not {count}")
        missing = [name for name in COLUMNS if name not in index.column_names]
        if missing:
            raise BadStore(f"the index of {path} lacks the column {missing[0]}; prepare it again")
        return Store(
            path=path,
            frame=str(facts["frame"]),
            size=size,
            kind=str(facts["kind"]),
            pixels=np.memmap(path / PIXELS, np.uint8, "r", shape=(count, size, size, 3)),
            file=index.column("file").to_pylist(),
            person=_texts(index, "person"),
            split=_texts(index, "split"),
            landmarks=_numbers(index, "landmarks").astype(np.float32).reshape(count, 5, 2),
            attributes=np.stack([_numbers(index, name) for name in NAMES], axis=1),
            inside=_numbers(index, "inside"),
            to_photo=_numbers(index, "to_photo").reshape(count, 2, 3),
            photo_size=_numbers(index, "photo_size").reshape(count, 2),
            extra={n: _texts(index, n) for n in index.column_names if n not in COLUMNS},
            masks=_masks(path, count),
            skipped=tuple((str(file), str(why)) for file, why in facts["skipped"]),
        )

    def __len__(self) -> int:
        return len(self.file)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store.open, (self.path,))

    def where(self, split: str) -> npt.NDArray[np.int64]:
        """Rows of `train`, `val` or `test`, ascending; raises `BadRequest` for another name."""
        if split not in SPLITS:
            raise BadRequest(f"no split named {split!r}; there are {', '.join(SPLITS)}")
        return np.flatnonzero(self.split == split).astype(np.int64)

    def mask(self, name: str, row: int) -> npt.NDArray[np.uint8] | None:
        """Mask `name` of a crop, uint8 [S, S], resized without interpolation; None if it has none.

        Raises `BadStore` if the PNG is damaged.
        """
        png = self.masks.get(name, [None] * len(self))[row]
        if png is None:
            return None
        try:
            with Image.open(io.BytesIO(png)) as picture:
                levels = picture.convert("L") if picture.mode == "1" else picture
                side = (self.size, self.size)
                return np.asarray(levels.resize(side, Image.Resampling.NEAREST), np.uint8)
        except (OSError, ValueError) as wrong:
            raise BadStore(
                f"the mask {name} of {self.file[row]} in {self.path} is damaged ({wrong}); "
                "prepare the store again"
            ) from wrong

    def known(self, row: int) -> npt.NDArray[np.bool_]:
        """Mask bool [S, S] of the crop's pixels inside its photo; outside, the photo's edge is repeated.

        All True if the position of the crop in its photo is unknown.
        """
        matrix = self.to_photo[row]
        if not np.isfinite(matrix).all() or not self.photo_size[row].all():
            return np.ones((self.size, self.size), np.bool_)
        width, height = self.photo_size[row].tolist()
        return inside_photo((width, height), matrix, self.size)


def read_facts(path: Path) -> dict[str, Any]:
    """Load `store.json` of the store in `path`; raises `BadStore` if it is missing or damaged."""
    if not path.is_dir():
        raise BadStore(f"there is no store {path}; `facedial prepare` makes one")
    if not (path / FACTS).is_file():
        raise BadStore(f"{path} is not a store (no {FACTS}), or its preparing did not finish")
    try:
        facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
        found = facts["format"]
        if found == FORMAT:
            _ = [facts[name] for name in ("count", "size", "frame", "kind", "skipped", "plan")]
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise BadStore(f"{path / FACTS} is damaged; prepare the store again") from wrong
    if found != FORMAT:
        raise BadStore(
            f"the store {path} has format {found}, this version reads {FORMAT}; prepare it again"
        )
    return dict(facts)


def write_index(path: Path, columns: Mapping[str, Any], extra: Mapping[str, list[str]]) -> None:
    """Write `index.parquet`: `columns` by `COLUMNS`, the 40 under `attributes`; `extra` is text."""
    pa = tables.arrow()

    def fixed(values: npt.NDArray[Any], width: int) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)

    attributes = columns["attributes"]
    index = {
        **{name: pa.array(columns[name], pa.string()) for name in ("file", "person", "split")},
        "landmarks": fixed(columns["landmarks"], 10),
        "inside": pa.array(columns["inside"]),
        "to_photo": fixed(columns["to_photo"], 6),
        "photo_size": fixed(columns["photo_size"], 2),
        **{name: pa.array(attributes[:, k]) for k, name in enumerate(NAMES)},
        **{name: pa.array(cells, pa.string()) for name, cells in extra.items()},
    }
    tables.write_parquet(path / INDEX, index)


def write_masks(path: Path, masks: Sequence[Mapping[str, bytes]]) -> None:
    """Write `masks.parquet`: a column of PNGs for each name, null for crops without it."""
    pa = tables.arrow()
    names = sorted({name for own in masks for name in own})
    columns = {name: pa.array([own.get(name) for own in masks], pa.binary()) for name in names}
    tables.write_parquet(path / MASKS, columns)


def _masks(path: Path, count: int) -> Mapping[str, list[bytes | None]]:
    if not (path / MASKS).is_file():
        return {}
    try:
        columns = tables.read_parquet(path / MASKS)
    except BadRequest as wrong:
        raise BadStore(f"the store's masks are damaged: {wrong}") from wrong
    if any(len(column) != count for column in columns.values()):
        raise BadStore(
            f"{path / MASKS} has another number of rows than the store; prepare it again"
        )
    return columns


def _index(path: Path) -> Any:
    try:
        return tables.open_parquet(path / INDEX).read()
    except BadRequest as wrong:
        raise BadStore(f"the store's index is damaged: {wrong}") from wrong


def _texts(index: Any, name: str) -> Texts:
    return np.array(index.column(name).to_pylist(), dtype=np.str_)


def _numbers(index: Any, name: str) -> npt.NDArray[Any]:
    column = index.column(name).combine_chunks()
    values = column.flatten() if hasattr(column, "flatten") and column.type.num_fields else column
    numbers: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers
