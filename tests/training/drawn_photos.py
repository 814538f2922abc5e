"""Heads and photos of noise, as the detector's recipes want them."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from facedial.data.labelled_photos import split_of
from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.faces.crop import head_template

BOX = [30.0, 40.0, 70.0, 90.0]


def drawn(folder: Path) -> tuple[Path, Path]:
    """A store of heads, and a folder of photos with and without a box."""
    rng = np.random.default_rng(0)

    def picture(pixels: np.ndarray) -> bytes:
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, "PNG")
        return packed.getvalue()

    heads = [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(4)]
    table = {
        "name": [f"{i}.png" for i in range(4)],
        "person": [str(i) for i in range(4)],
        "split": ["train", "train", "val", "val"],
        "landmarks": [head_template(256).reshape(-1).tolist()] * 4,
        "webp": [picture(one) for one in heads],
    }
    pq.write_table(pa.table(table), folder / "heads.parquet")
    prepare(open_source([folder / "heads.parquet"]), folder / "store", size=256, processes=1)
    names = [f"{i}.jpg" for i in range(30)]
    names = [n for split in ("train", "val") for n in names if split_of(n) == split]
    photos = [picture(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)) for _ in names]
    labelled = pa.table({"name": names, "boxes": [BOX] * len(names), "webp": photos})
    (folder / "photos").mkdir()
    pq.write_table(labelled, folder / "photos" / "detect.parquet")
    pq.write_table(labelled.select(["name", "webp"]), folder / "photos" / "negatives.parquet")
    return folder / "store", folder / "photos"
