"""`.fd`, a face in some hundred bytes: its code, quantised and entropy-coded. Format: docs/fd-format.md.

Only whole numbers decide what is decoded, so the same bytes give the same numbers on every machine and by
any number of threads.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from facedial.arrays import Doubles, Floats, load_arrays
from facedial.codes.code import Code
from facedial.errors import BadRequest, CodeSpaceMismatch
from facedial.files import atomic_write

MAGIC, VERSION = b"FD", 1
HEADER = 14  # bytes: magic 2, version and flags 1, space 4, step 1, count 2, checksum 4
PLACED = 0x80  # flag: the affine map from crop to photo pixels follows, six float32
MATRIX = 24
FINENESS = 8  # steps an octave, of quantisation steps and of significances
STEPS = -16, 48  # of the quantisation step: from 2^-2 to 2^6 levels of the picture
CLASSES = (
    -14,
    60,
)  # deviation over step, in the same unit, below which nothing is coded; the largest
REACH = 6.0  # deviations that symbols reach
TOTAL = 1 << 16  # of the counts of a class
DEAD = 0.08  # of a step, by which values are rounded towards 0: fewer bits for hardly any error
QUALITIES = 0, 100


@dataclass(frozen=True, slots=True, eq=False)
class CodedFace:
    """What a `.fd` file holds: the code, the step of its quantisation, and where its crop lies.

    `step`: 2^(step / 8) levels of the decoded picture. `to_photo` [2, 3]: crop to photo pixels, or None.
    `complete`: whether all numbers are there; those that a cut file lacks are 0.
    """

    code: Code
    step: int
    to_photo: Doubles | None
    complete: bool


@dataclass(frozen=True, eq=False)
class Coder:
    """How codes of one space are coded: `significance` int16 [D], and `counts` of quantised values.

    `significance`: 8 log2 of the levels (root mean square) by which one deviation of a number changes
    the decoded picture. `counts` int64, all classes one after the other, from the smallest: of a class c,
    where a deviation is 2^(c/8) steps, those of -K..K; they sum to `TOTAL`.
    """

    space: str
    significance: np.ndarray[Any, np.dtype[np.int16]]
    counts: np.ndarray[Any, np.dtype[np.int64]]

    @staticmethod
    def fit(space: str, levels: Floats, codes: Floats) -> "Coder":
        """From levels of one deviation of each number [D], and whitened training codes [N, D]."""
        significance = np.rint(FINENESS * np.log2(np.maximum(levels, 1e-6))).astype(np.int16)
        values = np.sort(np.abs(codes), axis=None).astype(np.float64)
        parts = []
        for kind in range(CLASSES[0], CLASSES[1] + 1):
            reach = largest(kind)
            bounds = (np.arange(reach) + 0.5 + DEAD) / 2.0 ** (kind / FINENESS)
            above = np.concatenate([[len(values)], len(values) - np.searchsorted(values, bounds)])
            own = np.append(above[:-1] - above[1:], above[-1]) / len(values)  # of |q| = 0..K
            both = np.concatenate([own[:0:-1] / 2, own[:1], own[1:] / 2])
            counts = 1 + np.floor(both * (TOTAL - len(both))).astype(np.int64)
            counts[reach] += TOTAL - counts.sum()
            parts.append(counts)
        return Coder(space, significance, np.concatenate(parts))

    def save(self, path: Path) -> None:
        """Write to `.npz`."""
        with atomic_write(path) as file:
            counts = self.counts.astype(np.uint32)
            np.savez_compressed(
                file, space=self.space, significance=self.significance, counts=counts
            )

    @staticmethod
    def load(path: Path) -> "Coder":
        """Read what `save` wrote; raises `OSError`, `KeyError`, `ValueError`."""
        file = load_arrays(path)
        return Coder(str(file["space"]), file["significance"], file["counts"].astype(np.int64))

    @cached_property
    def _tables(self) -> dict[int, Floats]:
        tables, start = {}, 0
        for kind in range(CLASSES[0], CLASSES[1] + 1):
            size = 2 * largest(kind) + 1
            tables[kind] = (self.counts[start : start + size] / TOTAL).astype(np.float32)
            start += size
        return tables

    def write(
        self, code: Code, *, step: int, to_photo: Doubles | None = None, count: int | None = None
    ) -> bytes:
        """The `.fd` file of a code at a quantisation step; `count`: numbers that are kept, None: all.

        Raises `CodeSpaceMismatch`, `BadRequest`.
        """
        code.check(self.space, len(self.significance))
        low, high = STEPS
        if not low <= step <= high:
            raise BadRequest(f"a step lies in {low}..{high}, found {step}")
        order = self._order(step)[:count]
        symbols = np.zeros(len(order), np.int32)
        encoder = _library().stream.queue.RangeEncoder()
        for kind, own in self._groups(order, step):
            scaled = code.values[order[own]] * np.float32(2.0 ** (kind / FINENESS))
            size = np.floor(np.abs(scaled) + np.float32(0.5 - DEAD)).astype(np.int32)
            reach = largest(kind)
            symbols[own] = np.clip(np.sign(scaled).astype(np.int32) * size, -reach, reach)
            encoder.encode(symbols[own] + reach, self._model(kind))
        body: bytes = encoder.get_compressed().astype(">u4").tobytes()
        body = body[: self._needed(body, order, step)]
        flags = VERSION | (0 if to_photo is None else PLACED)
        start = MAGIC + bytes([flags]) + _id(self.space)
        start += int(step).to_bytes(1, "little", signed=True) + len(order).to_bytes(2, "little")
        if to_photo is not None:
            body = np.asarray(to_photo, "<f4").tobytes() + body
        return start + zlib.crc32(start + body).to_bytes(4, "little") + body

    def best(self, code: Code, most: int, to_photo: Doubles | None = None) -> bytes:
        """The finest `.fd` file of at most `most` bytes; raises `BadRequest` where none is so small."""
        low, high = STEPS
        found = self.write(code, step=high, to_photo=to_photo)
        if len(found) > most:
            raise BadRequest(
                f"a coded face of {self.space} needs at least {len(found)} bytes, found {most}; give more"
            )
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.write(code, step=middle, to_photo=to_photo)
            low, high, found = (low, middle, tried) if len(tried) <= most else (middle, high, found)
        return found

    def read(self, data: bytes, *, partial: bool = False) -> CodedFace:
        """The face in a `.fd` file; `partial`: also of a file that was cut, as far as it goes.

        Raises `BadRequest` for what is no such file, or damaged; `CodeSpaceMismatch`.
        """
        if len(data) < HEADER or data[:2] != MAGIC:
            raise BadRequest(
                f"no coded face: {len(data)} bytes that begin with {data[:2]!r}, not FD"
            )
        flags, step = data[2], int.from_bytes(data[7:8], "little", signed=True)
        if flags & ~PLACED != VERSION:
            raise BadRequest(
                f"a coded face of format {flags & ~PLACED}, this version reads {VERSION}; update facedial"
            )
        if data[3:7] != _id(self.space):
            raise CodeSpaceMismatch(
                f"the coded face is of another model than {self.space}; open it with that model"
            )
        sound = zlib.crc32(data[:10] + data[HEADER:]).to_bytes(4, "little") == data[10:HEADER]
        if not sound and not partial:
            raise BadRequest("the coded face is damaged: its checksum differs; write it again")
        body, to_photo = data[HEADER:], None
        if flags & PLACED:
            if len(body) < MATRIX:
                raise BadRequest("the coded face is cut within its header; write it again")
            to_photo = np.frombuffer(body[:MATRIX], "<f4").reshape(2, 3).astype(np.float64)
            body = body[MATRIX:]
        order = self._order(step) if STEPS[0] <= step <= STEPS[1] else np.zeros(0, np.int64)
        count = int.from_bytes(data[8:10], "little")
        if count > len(order):
            raise BadRequest("the coded face is damaged: it states more numbers than a code has")
        order = order[:count]
        symbols = self._symbols(body, order, step)
        values = np.zeros(len(self.significance), np.float32)
        kinds = self.significance[order[: len(symbols)]].astype(np.int64) - step
        scales = np.array([2.0 ** (kind / FINENESS) for kind in kinds])
        values[order[: len(symbols)]] = (symbols / scales).astype(np.float32)
        return CodedFace(Code(values, self.space), step, to_photo, sound)

    def _order(self, step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Numbers that are coded at a step, the most significant first."""
        order = np.argsort(-self.significance.astype(np.int64), kind="stable")
        return order[self.significance[order] - step >= CLASSES[0]]

    def _groups(
        self, order: np.ndarray[Any, np.dtype[np.int64]], step: int
    ) -> Iterator[tuple[int, slice]]:
        """Class and place of numbers of one significance, in order."""
        kinds = np.minimum(self.significance[order].astype(np.int64) - step, CLASSES[1])
        bounds = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
        for first, last in pairwise(bounds):
            if first < last:
                yield int(kinds[first]), slice(first, last)

    def _model(self, kind: int) -> Any:
        return _library().stream.model.Categorical(self._tables[kind], perfect=False)

    def _decoded(
        self, words: bytes, order: np.ndarray[Any, np.dtype[np.int64]], step: int
    ) -> np.ndarray[Any, np.dtype[np.int32]]:
        decoder = _library().stream.queue.RangeDecoder(
            np.frombuffer(words, ">u4").astype(np.uint32)
        )
        parts = [np.zeros(0, np.int32)]
        for kind, own in self._groups(order, step):
            model, wanted = self._model(kind), own.stop - own.start
            found = _some(decoder, model, wanted)
            parts.append(np.asarray(found, np.int32) - largest(kind))
            if len(found) < wanted:
                break
        return np.concatenate(parts)

    def _symbols(
        self, body: bytes, order: np.ndarray[Any, np.dtype[np.int64]], step: int
    ) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Symbols that the body decides: those that are the same however it goes on."""
        ways = [self._decoded(_padded(body, fill), order, step) for fill in (b"\x00", b"\xff")]
        least = min(map(len, ways))
        apart = np.flatnonzero(ways[0][:least] != ways[1][:least])
        return ways[0][: apart[0] if len(apart) else least]

    def _needed(self, body: bytes, order: np.ndarray[Any, np.dtype[np.int64]], step: int) -> int:
        """Bytes of a body that decide all symbols."""
        whole, length = self._decoded(_padded(body, b"\x00"), order, step), len(body)
        while length and np.array_equal(self._symbols(body[: length - 1], order, step), whole):
            length -= 1
        return length


def largest(kind: int) -> int:
    """The largest symbol of a class."""
    return max(1, int(np.ceil(REACH * 2.0 ** (kind / FINENESS))))


def step_of(quality: float) -> int:
    """The quantisation step of a quality 0..100; raises `BadRequest` for another."""
    low, high = QUALITIES
    if not low <= quality <= high:
        raise BadRequest(f"a quality lies in {low}..{high}, found {quality:g}")
    return round(STEPS[1] - (quality / high) * (STEPS[1] - STEPS[0]))


def _some(decoder: Any, model: Any, wanted: int) -> Any:
    """At most so many symbols; fewer where the words cannot be of this model."""
    before = decoder.clone()
    try:
        return decoder.decode(model, wanted)
    except AssertionError:  # constriction's word for such data
        if wanted == 1:
            return []
    half = wanted // 2
    found = _some(before, model, half)
    return found if len(found) < half else [*found, *_some(before, model, wanted - half)]


def _padded(body: bytes, fill: bytes) -> bytes:
    """A body with what may follow: to whole words of the range decoder, and two more."""
    return body + fill * (-len(body) % 4 + 8)


def _id(space: str) -> bytes:
    return zlib.crc32(space.encode()).to_bytes(4, "little")


def _library() -> Any:
    try:
        import constriction
    except ImportError as error:
        raise BadRequest(
            "coded faces (.fd) need constriction: pip install 'facedial[fd]', or use a .npz file"
        ) from error
    return constriction
