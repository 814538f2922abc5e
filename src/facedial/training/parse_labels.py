"""Labels of the parser: those of its teachers, computed once and kept, and hand-made masks."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.data.parse_teacher import ParseTeacher, restrict_matte, without_others
from facedial.data.store import Store, read_facts
from facedial.errors import BadRequest, BadStore
from facedial.faces.geometry import apply, invert, scale_of
from facedial.faces.parse import BACKGROUND, CLASSES, HAIR, UNKNOWN, from_ids

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
BATCH = 50  # crops between flushes
# Label of a pixel of which only one class is excluded -> that class.
NO_BACKGROUND, NO_HAIR = 254, 253
EXCLUDED = {NO_BACKGROUND: BACKGROUND, NO_HAIR: HAIR}
EDGE = 3  # pixels on either side of the edge of a hand-made hair mask where the matte may be soft


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the crops `rows` of a store.

    `classes`: uint8 [N, S, S], 255 outside the photo. `hair`: uint8 [N, S, S], the matte, 0..255.
    """

    store: Store
    rows: NDArray[np.int64]
    classes: UInt8
    hair: UInt8

    def __len__(self) -> int:
        return len(self.rows)


def teacher_labels(
    store: Store, split: str, most: int, folder: Path, teachers: Path | None
) -> Labels:
    """Labels of at most `most` crops of a split (`labelled_rows`), kept in `folder`.

    Those that are not there yet are computed; an interrupted call is resumed by the next one. Raises
    `BadRequest` if there are such and no folder of `teachers` is given.
    """
    rows = labelled_rows(store, split, most)
    own = label_folder(store, split, folder)
    own.mkdir(parents=True, exist_ok=True)
    paths = [own / "classes.u8", own / "hair.u8"]
    size = store.size**2
    done = min(path.stat().st_size // size if path.exists() else 0 for path in paths)
    if done < len(rows):
        if teachers is None:
            raise BadRequest(
                f"{own} has labels of {done} of {len(rows)} crops; give the folder of the parser's "
                "teachers: --set teachers=FOLDER"
            )
        _compute(store, rows[done:], paths, done, ParseTeacher(teachers))
    classes, hair = (
        np.memmap(path, np.uint8, "r", shape=(len(rows), store.size, store.size))
        if len(rows)
        else np.zeros((0, store.size, store.size), np.uint8)
        for path in paths
    )
    return Labels(store, rows, classes, hair)


def labelled_rows(store: Store, split: str, most: int) -> NDArray[np.int64]:
    """The first `most` rows of a split in a fixed random order, crops with hand-made masks first."""
    rows = np.random.default_rng(0).permutation(store.where(split))
    masked = [any(pngs[row] is not None for pngs in store.masks.values()) for row in rows]
    there = np.array(masked, np.bool_)
    return np.concatenate([rows[there], rows[~there]])[:most]


def label_folder(store: Store, split: str, folder: Path) -> Path:
    """Where in `folder` the labels of a split are; another folder for a store of other contents."""
    plan = str(read_facts(store.path)["plan"])
    return folder / f"{store.path.resolve().name}-{plan[:10]}-{split}"


def _compute(
    store: Store, rows: NDArray[np.int64], paths: list[Path], done: int, teacher: ParseTeacher
) -> None:
    files = [path.open("ab") for path in paths]
    for file in files:
        file.truncate(done * store.size**2)
    try:
        for start in range(0, len(rows), BATCH):
            for row in rows[start : start + BATCH]:
                labels = predict(store, int(row), teacher)
                for file, values in zip(files, labels, strict=True):
                    file.write(values.tobytes())
            for file in files:
                file.flush()
            log.info("labels of %d of %d crops", min(start + BATCH, len(rows)), len(rows))
    finally:
        for file in files:
            file.close()


def predict(store: Store, row: int, teacher: ParseTeacher) -> tuple[UInt8, UInt8]:
    """The teachers' classes and hair matte, uint8 [S, S], of a crop.

    Heads of other people are background, if the store has their positions (`sources.groups`).
    """
    classes, hair = teacher(store.pixels[row], store.frame)
    others = json.loads(store.extra["others"][row]) if "others" in store.extra else []
    if others:
        to_crop = invert(store.to_photo[row])
        faces = np.array(others, np.float64)
        seen = np.column_stack([apply(to_crop, faces[:, :2]), faces[:, 2] * scale_of(to_crop)])
        eyes = store.landmarks[row][:2].astype(np.float64)
        own = np.append(eyes.mean(0), np.linalg.norm(eyes[1] - eyes[0]))
        classes, hair = without_others(classes, hair, own, seen)
    return np.where(store.known(row), classes, UNKNOWN).astype(np.uint8), hair


def mask_labels(labels: Labels) -> Iterator[tuple[int, UInt8, UInt8]]:
    """Index in `labels`, classes and matte of each crop with a hand-made mask.

    All classes are from `parts`. With a mask of hair or of the person only, the classes are the teacher's
    where they agree with it, and a label of `EXCLUDED` where they do not.
    """
    store = labels.store
    for i, row in enumerate(labels.rows):
        parts = store.mask("parts", row)
        hair = store.mask("hair", row)
        person = store.mask("person_mask", row)
        if parts is not None:
            classes = from_ids(parts)
        elif hair is not None:
            classes = with_mask(labels.classes[i], hair > 0, HAIR, NO_HAIR)
        elif person is not None:
            classes = with_mask(labels.classes[i], person == 0, BACKGROUND, NO_BACKGROUND)
        else:
            continue
        matte = labels.hair[i]
        if person is not None:
            matte = np.where(person > 0, matte, 0).astype(np.uint8)
        else:
            matte = restrict_matte(matte, classes, EDGE * store.size // 256)
        classes = np.where(store.known(row), classes, UNKNOWN).astype(np.uint8)
        yield i, classes, matte


def with_mask(classes: UInt8, mask: NDArray[np.bool_], own: int, excluded: int) -> UInt8:
    """Classes uint8 [S, S] with the class `own` exactly in `mask`.

    Pixels of that class outside the mask get the label `excluded`, a key of `EXCLUDED`.
    """
    found = np.where(classes == own, excluded, classes)
    return np.where(mask, own, found).astype(np.uint8)


def shows_rare_class(
    labels: Labels, names: tuple[str, ...] = ("glasses", "hat"), least: float = 0.004
) -> NDArray[np.bool_]:
    """Crops [N] in which these classes have at least a share of `least` of the pixels."""
    wanted = [CLASSES.index(name) for name in names]
    found = [
        np.isin(labels.classes[i, ::4, ::4], wanted).mean() > least for i in range(len(labels))
    ]
    return np.array(found, np.bool_)


@dataclass(frozen=True, slots=True)
class LabelledCrops:
    """Labelled crops of several stores as one collection.

    `address`: [N, 2], store and index in its labels. `masks`: index in the collection -> classes and
    matte from a hand-made mask. `probability`: of drawing each crop, [N].
    """

    labels: Sequence[Labels]
    address: NDArray[np.int64]
    masks: Mapping[int, tuple[UInt8, UInt8]]
    probability: NDArray[np.float64]

    @staticmethod
    def of(labels: Sequence[Labels]) -> "LabelledCrops":
        """The crops of `labels`; raises `BadStore` if there are none.

        Those with rare classes, and those with hand-made masks of all classes, are drawn twice as often.
        """
        address, masks, weights, before = [], {}, [], 0
        for number, own in enumerate(labels):
            address += [(number, i) for i in range(len(own))]
            weight = np.ones(len(own))
            weight[shows_rare_class(own)] *= 2
            for i, classes, matte in mask_labels(own):
                masks[before + i] = (classes, matte)
                weight[i] *= 2 if own.store.mask("parts", int(own.rows[i])) is not None else 1
            weights.append(weight)
            before += len(own)
        if not address:
            raise BadStore(
                "the stores have no crops of training people, or none of validation people"
            )
        weight = np.concatenate(weights)
        return LabelledCrops(labels, np.array(address), masks, weight / weight.sum())

    def __len__(self) -> int:
        return len(self.address)

    def pixels(self, chosen: NDArray[np.int64]) -> UInt8:
        """Crops uint8 [n, S, S, 3]."""
        found = [(self.labels[s], i) for s, i in self.address[chosen]]
        return np.stack([own.store.pixels[own.rows[i]] for own, i in found])

    def label(self, number: int, from_mask: bool) -> tuple[UInt8, UInt8]:
        """Classes and matte uint8 [S, S] of a crop; `from_mask`: of its hand-made mask, if any."""
        if from_mask and number in self.masks:
            return self.masks[number]
        store, i = self.address[number]
        own = self.labels[store]
        return own.classes[i], own.hair[i]

    def frame(self, number: int) -> str:
        """The frame of a crop."""
        frame: str = self.labels[int(self.address[number, 0])].store.frame
        return frame
