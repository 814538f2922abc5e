"""Guidance of a flow: classifier-free guidance, autoguidance, and what rejection sampling records."""

from collections.abc import Sequence

import numpy as np

from facedial.arrays import Floats
from facedial.flow import Velocity

# Times at which the flow and the weak model are compared, and the part of the latents that is
# compared: the middle of the face.
RECORDED_TIMES = (0.25, 0.51)
FACE_REGION = (slice(None), slice(None), slice(9, 27), slice(8, 24))

# A flow's velocity and the weak model's at one time.
VelocityPair = tuple[Floats, Floats]


def cfg(
    velocity: Velocity, scale: float, negative_condition: Floats, *, orthogonal: bool = False
) -> Velocity:
    """Classifier-free guidance (Ho 2022, arXiv 2207.12598, eq. 6) away from a negative condition [N, K].

    `scale` 1 is no guidance. `orthogonal`: as for `extrapolated`.
    """

    def guided(latents: Floats, time: Floats, condition: Floats) -> Floats:
        if scale == 1 or np.array_equal(condition, negative_condition):
            return velocity(latents, time, condition)
        positive, negative = under_both(velocity, latents, time, (condition, negative_condition))
        face = latents + (1 - time)[:, None, None, None] * positive if orthogonal else None
        return extrapolated(positive, negative, scale, face)

    return guided


def under_both(
    velocity: Velocity, latents: Floats, time: Floats, conditions: tuple[Floats, Floats]
) -> VelocityPair:
    """Velocities of the same latents under two conditions: one batch costs less than two."""
    both = velocity(*(np.concatenate(pair) for pair in ((latents,) * 2, (time,) * 2, conditions)))
    first, second = np.split(both, 2)
    return first, second


def extrapolated(
    positive: Floats, negative: Floats, scale: float, face: Floats | None = None
) -> Floats:
    """The velocity `scale` times as far from `negative` as `positive` is.

    Of the difference only the part orthogonal to the predicted `face`, where it is given: the parallel
    part raises contrast (Sadat 2024, arXiv 2410.02416, eq. 7).
    """
    difference = positive - negative
    if face is not None:
        length = np.sqrt((face * face).sum((1, 2, 3), keepdims=True)) + np.float32(1e-6)
        face = face / length
        difference = difference - (difference * face).sum((1, 2, 3), keepdims=True) * face
    return positive + np.float32(scale - 1) * difference


def autoguidance(
    velocity: Velocity, weak_velocity: Velocity, scale: float, t_from: float = 0.0
) -> Velocity:
    """Extrapolation away from a weaker model (Karras 2024, arXiv 2406.02507, eq. 4).

    `scale` 1 is no guidance. Only from the time `t_from` on (Kynkäänniemi 2024, arXiv 2404.07724): at
    earlier times guidance reduces the variety of the samples.
    """

    def guided(latents: Floats, time: Floats, condition: Floats) -> Floats:
        if time.max() < t_from:
            return velocity(latents, time, condition)
        weak = weak_velocity(latents, time, condition)
        return weak + np.float32(scale) * (velocity(latents, time, condition) - weak)

    return guided


def recording(velocity: Velocity, weak_velocity: Velocity, record: list[VelocityPair]) -> Velocity:
    """The same velocity; appends both models' velocities to `record` for t in `RECORDED_TIMES`."""

    def recorded(latents: Floats, time: Floats, condition: Floats) -> Floats:
        found = velocity(latents, time, condition)
        if RECORDED_TIMES[0] <= time[0] <= RECORDED_TIMES[1]:
            record.append((found, weak_velocity(latents, time, condition)))
        return found

    return recorded


def error_log_ratio(record: Sequence[VelocityPair], displacement: Floats) -> Floats:
    """Log of the weak model's squared error over the flow's, mean over the recorded times, [N].

    `displacement`: final latents less the noise, the constant velocity of a straight path. Errors are
    means over `FACE_REGION`. A low ratio marks samples that neither model finds likely: a smeared
    mouth, a missing eye.
    """
    ratios = np.zeros(len(displacement), np.float32)
    for velocities in record:
        own, weak = (
            ((v - displacement)[FACE_REGION] ** 2).mean((1, 2, 3)) + 1e-9 for v in velocities
        )
        ratios += np.log(weak / own)
    return ratios / np.float32(max(1, len(record)))
