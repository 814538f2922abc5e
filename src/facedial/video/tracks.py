"""Faces followed from frame to frame, and which tracks are of one person.

The detector looks at every `EVERY`th frame and after cuts; between, the landmark network follows each
face from its last landmarks. A face that the detector misses (turned away, half covered) is followed on
while its embedding stays like it was; else its track ends where it was last confirmed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats
from facedial.errors import NoFaceFound
from facedial.faces.crop import Crop, align
from facedial.faces.face import Face
from facedial.faces.geometry import apply, block_means, fit_similarity, warp
from facedial.faces.landmarks import LANDMARK_PATCH, PATCH_TEMPLATE, plausible
from facedial.faces.photo import Photo
from facedial.model import FRAME
from facedial.portrait import PortraitReader
from facedial.video.clip import Frame
from facedial.video.smooth import OneEuro

EVERY = 8  # frames between two looks of the detector
SAME_PLACE = 0.5  # largest distance of eye middles for one face, in eye distances
ALIKE = 0.4  # cosine of embeddings from which on a face that is not detected is still the same
SAME_PERSON = 0.6  # as 1 in 100 pairs of two people have
# Mean difference of the grey levels of two frames, in cells of 1/16 of the shorter side, that is a cut.
CUT_LEVELS, CELLS = 15.0, 16
LEAST_CONFIRMED = 2  # looks of the detector that must have found a face that had so many
MAX_SAMPLES = 24  # crops that are kept of a track


@dataclass(slots=True, eq=False)
class Track:
    """One face in consecutive frames from `start` on.

    `points`: landmarks [5, 2] of each frame; `box`: of the face where it was last detected, in units of
    the eye distance about the middle of the eyes [4]. `confirmed`: frames in which the detector found
    it. `samples`: crops of some of them, by frame. `embeddings`: of those. `begins_at_cut`,
    `ends_at_cut`: whether it begins or ends there, or with the clip. `codes` [T, D]: of its frames.
    """

    start: int
    points: list[Doubles]
    box: Doubles
    score: float
    confirmed: list[int] = field(default_factory=list)
    samples: dict[int, Crop] = field(default_factory=dict)
    embeddings: dict[int, Floats] = field(default_factory=dict)
    begins_at_cut: bool = False
    ends_at_cut: bool = False
    looks: int = 1  # of the detector while it was followed
    step: int = 1  # of the confirmed frames, every so many is a sample
    codes: Floats | None = None

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.start + len(self.points)

    def face(self, frame: int) -> Face:
        """The face in a frame of the track, with the box that its eyes give it."""
        landmarks = self.points[frame - self.start]
        middle, distance = _eyes(landmarks)
        return Face(np.tile(middle, 2) + distance * self.box, landmarks, self.score)

    @property
    def all_codes(self) -> Floats:
        """The codes of all its frames, once they are set."""
        if self.codes is None:
            raise ValueError("the codes of a track are not set")
        return self.codes

    def code(self, frame: int) -> Floats:
        """The code [D] of a frame of the clip."""
        return np.asarray(self.all_codes[frame - self.start])

    def mean_embedding(self) -> Floats | None:
        """Mean embedding of the samples, of length 1; None where there are none."""
        if not self.embeddings:
            return None
        total = np.sum(list(self.embeddings.values()), axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-6), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """The tracks of one person in a clip."""

    tracks: tuple[Track, ...]

    @property
    def presence(self) -> float:
        """Sum over frames of the area of the face, in squared eye distances: who matters most."""
        return float(sum(_eyes(points)[1] ** 2 for one in self.tracks for points in one.points))

    def first_face(self) -> Face:
        """The face where the person is first seen."""
        first = min(self.tracks, key=lambda one: one.start)
        return first.face(first.start)


def follow(
    frames: Iterable[Frame], reader: PortraitReader, told: Callable[[], None] | None = None
) -> tuple[list[Track], list[int]]:
    """Tracks of all faces in a clip, and the times of its frames; `told` is called after each frame."""
    tracker = _Tracker(reader)
    times = []
    for number, frame in enumerate(frames):
        tracker.step(number, frame.pixels)
        times.append(frame.pts)
        if told is not None:
            told()
    return tracker.finish(len(times)), times


def smoothed(track: Track, times_s: list[float]) -> None:
    """Smooth a track's landmarks over time, in place; `times_s`: of all frames of the clip."""
    points = np.stack(track.points)
    distance = float(np.median([_eyes(one)[1] for one in track.points]))
    times = times_s[track.start : track.end]
    track.points = list(OneEuro().both_ways(points / distance, times) * distance)


def people(tracks: list[Track]) -> list[Person]:
    """Tracks grouped by person, the one most in the picture first.

    Two tracks that share no frame are one person's where the cosine of their mean embeddings is
    `SAME_PERSON`, the most alike first (single-linkage clustering).
    """
    groups = [[one] for one in tracks]
    while True:
        pairs = [
            (_likeness(one, other), i, j)
            for i, one in enumerate(groups)
            for j, other in enumerate(groups[:i])
            if not any(a.start < b.end and b.start < a.end for a in one for b in other)
        ]
        best = max(pairs, default=(0.0, 0, 0))
        if best[0] < SAME_PERSON:
            break
        groups[best[2]] += groups.pop(best[1])
    found = [Person(tuple(sorted(group, key=lambda one: one.start))) for group in groups]
    return sorted(found, key=lambda one: -one.presence)


def _likeness(one: list[Track], other: list[Track]) -> float:
    means = [[track.mean_embedding() for track in group] for group in (one, other)]
    return max(
        (float(a @ b) for a in means[0] for b in means[1] if a is not None and b is not None),
        default=0.0,
    )


class _Tracker:
    """Live tracks, and those that have ended."""

    def __init__(self, reader: PortraitReader) -> None:
        self._reader = reader
        self._live: list[Track] = []
        self._ended: list[Track] = []
        self._grey: Floats | None = None

    def step(self, number: int, pixels: Bytes) -> None:
        """Follow all faces into the next frame; look for them where it is time."""
        cut = self._is_cut(pixels)
        if cut:
            self._end(self._live, at_cut=True)
        for track in list(self._live):
            points = self._followed(pixels, track.points[-1])
            if points is None or any(
                _is_near(points, one.points[-1]) for one in self._ahead(track)
            ):
                self._end([track])
            else:
                track.points.append(points)
        if number % EVERY == 0 or cut:
            self._look(number, pixels, cut or number == 0)

    def finish(self, count: int) -> list[Track]:
        """All tracks that the detector confirmed often enough."""
        self._end(self._live, at_cut=True)
        return [one for one in self._ended if len(one.confirmed) >= min(LEAST_CONFIRMED, one.looks)]

    def _ahead(self, track: Track) -> Iterator[Track]:
        """The live tracks that were followed before this one."""
        for one in self._live:
            if one is track:
                return
            yield one

    def _is_cut(self, pixels: Bytes) -> bool:
        cell = max(1, min(pixels.shape[:2]) // CELLS)
        grey = block_means(pixels, cell, cell).mean(2, dtype=np.float32)
        before, self._grey = self._grey, grey
        return before is not None and float(np.abs(grey - before).mean()) > CUT_LEVELS

    def _followed(self, pixels: Bytes, last: Doubles) -> Doubles | None:
        """Landmarks near those of the frame before, or None where none are plausible there."""
        to_photo = fit_similarity(PATCH_TEMPLATE, last)
        patch = warp(pixels, to_photo, LANDMARK_PATCH)
        found = apply(to_photo, self._reader.model.locate_landmarks(patch[None])[0])
        height, width = pixels.shape[:2]
        middle, distance = _eyes(found)
        inside = ((middle >= 0) & (middle < [width, height])).all()
        same_size = 0.5 < distance / _eyes(last)[1] < 2
        return found if plausible(found) and inside and same_size else None

    def _look(self, number: int, pixels: Bytes, fresh: bool) -> None:
        photo = Photo(pixels, f"frame {number}")
        try:
            faces = self._reader.faces(photo)
        except NoFaceFound:
            faces = []
        for track in list(self._live):
            track.looks += 1
            near = [face for face in faces if _is_near(face.landmarks, track.points[-1])]
            if near:
                faces = [face for face in faces if face is not near[0]]
                track.points[-1], track.box = near[0].landmarks, _about_eyes(near[0])
                self._confirm(track, number, photo)
            elif not self._is_alike(track, photo):
                self._end([track])
        for face in faces:
            new = Track(
                number, [face.landmarks], _about_eyes(face), face.score, begins_at_cut=fresh
            )
            self._live.append(new)
            self._confirm(new, number, photo)

    def _confirm(self, track: Track, number: int, photo: Photo) -> None:
        """Note that the detector has found a face; keep its crop, of long tracks every other one."""
        track.confirmed.append(number)
        if (len(track.confirmed) - 1) % track.step:
            return
        crop = align(photo, track.face(number), FRAME)
        track.samples[number] = crop
        if self._reader.model.has_identity:
            (track.embeddings[number],) = self._reader.model.embed_identity(crop.pixels[None])
        if len(track.samples) > MAX_SAMPLES:
            track.step *= 2
            for one in list(track.samples)[1::2]:
                del track.samples[one]
                track.embeddings.pop(one, None)

    def _is_alike(self, track: Track, photo: Photo) -> bool:
        mean = track.mean_embedding()
        if mean is None:
            return False
        crop = align(photo, track.face(track.end - 1), FRAME)
        (now,) = self._reader.model.embed_identity(crop.pixels[None])
        return float(mean @ now) >= ALIKE

    def _end(self, tracks: list[Track], *, at_cut: bool = False) -> None:
        """End tracks; what was followed without being confirmed is dropped, but at a cut."""
        for track in list(tracks):
            if not at_cut:
                del track.points[track.confirmed[-1] - track.start + 1 :]
            track.ends_at_cut = at_cut
            self._live.remove(track)
            self._ended.append(track)


def _eyes(landmarks: Doubles) -> tuple[Doubles, float]:
    """Middle of the eyes, and their distance."""
    left, right = landmarks[:2]
    return (left + right) / 2, float(np.hypot(*(right - left)))


def _is_near(one: Doubles, other: Doubles) -> bool:
    """Whether landmarks in two neighbouring frames, or twice in one, are of one face."""
    (a, first), (b, last) = _eyes(one), _eyes(other)
    return float(np.hypot(*(a - b))) < SAME_PLACE * max(first, last)


def _about_eyes(face: Face) -> Doubles:
    """`Track.box` of a detected face."""
    middle, distance = _eyes(face.landmarks)
    return np.asarray((face.box - np.tile(middle, 2)) / distance, np.float64)
