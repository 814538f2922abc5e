"""New faces by the flow: conditions, noise, guidance, and rejection of poor samples."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facedial.arrays import Floats
from facedial.codes.attributes import match
from facedial.errors import BadRequest
from facedial.flow import LATENT_SHAPE, SAMPLE_BATCH, ToCodes, Velocity
from facedial.flow.guidance import VelocityPair, autoguidance, cfg, error_log_ratio, recording
from facedial.flow.solver import check_solver, integrate
from facedial.priors.base import check_labels, check_temperature
from facedial.priors.labels import LabelPrior

# Scale of classifier-free guidance: without a target, with one, and with one beside autoguidance,
# which strengthens the condition too.
GUIDANCE, TARGET_GUIDANCE, TARGET_GUIDANCE_WITH_WEAK = 2.0, 2.5, 2.3
STEPS = 12
# A larger scale gives hard outlines; guidance at earlier times reduces the variety of faces.
AUTOGUIDANCE_SCALE, AUTOGUIDANCE_FROM = 2.0, 0.6
TARGET_AUTOGUIDANCE_SCALE, TARGET_AUTOGUIDANCE_FROM = 1.7, 0.5
# Cycles a pixel of the latents: lower frequencies decide backgrounds and most broken faces.
LOW_FREQUENCY = 0.1
BLURRY = "Blurry"
BLUR_WEIGHT = 0.1  # of the score, for each unit of the log odds of `BLURRY`
MIN_BLUR_PROBABILITY = 1e-6
# Scores from which a sample is accepted, without and with a target (measured at twelve steps).
ACCEPT_SCORE, TARGET_ACCEPT_SCORE = 1.75, 2.0
MAX_ATTEMPTS = 3


def noise(seed: int, temperature: float, attempt: int = 0) -> Floats:
    """Noise [6, 32, 32] of a seed; other noise for every `attempt`.

    Frequencies below `LOW_FREQUENCY` are scaled by the temperature, all others by its tenth root:
    calmer backgrounds and fewer broken faces, without blur.
    """
    rng = np.random.default_rng([seed, 2, attempt] if attempt else seed)
    drawn = rng.standard_normal(LATENT_SHAPE)
    spectrum = np.fft.fft2(drawn)
    down, across = (np.fft.fftfreq(side) for side in LATENT_SHAPE[1:])
    low = np.hypot(down[:, None], across[None]) < LOW_FREQUENCY
    spectrum *= np.where(low, temperature, temperature**0.1)
    return np.fft.ifft2(spectrum).real.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FlowPrior:
    """New faces by conditional flow matching (Lipman 2023, arXiv 2210.02747), as a `Prior`.

    `steps`: evaluations a face, two each where there is guidance. `labels`: draws the attributes that
    are not asked for; they stay unspecified where None. `weak_velocity`: a weaker model for
    autoguidance; without one, classifier-free guidance alone. `guidance`: its scale; None for the
    usual one. With a weak model a sample whose score is too low is drawn again from other noise, in
    `max_attempts` attempts at most, and the best is kept (rejection sampling). The score is
    `error_log_ratio` less `BLUR_WEIGHT` times the log odds that the decoded face is blurry, which
    `blur_probability` gives: codes [N, D] -> [N].
    """

    space: str
    names: tuple[str, ...]
    velocity: Velocity
    to_codes: ToCodes
    guidance: float | None = None
    steps: int = STEPS
    name: str = "learned"
    usual_temperature: float = 0.96
    labels: LabelPrior | None = None
    weak_velocity: Velocity | None = None
    max_attempts: int = MAX_ATTEMPTS
    blur_probability: Callable[[Floats], Floats] | None = None

    def __post_init__(self) -> None:
        check_solver(GUIDANCE if self.guidance is None else self.guidance, self.steps)
        if not 1 <= self.max_attempts <= 100:
            raise BadRequest(f"max_attempts must lie in 1..100, found {self.max_attempts}")

    def sample(
        self, seeds: Sequence[int], targets: Mapping[str, float], temperature: float = 1.0
    ) -> Floats:
        """See `Prior.sample`. A label of 0..1 becomes a condition of -1..1; one half leaves it open."""
        check_temperature(temperature)
        targets_by_index = {
            self.names.index(match(name, self.names)): label
            for name, label in check_labels(targets).items()
            if label != 0.5
        }
        codes: list[Floats] = [np.zeros(0, np.float32)] * len(seeds)
        best, attempts = np.full(len(seeds), -np.inf, np.float32), [0] * len(seeds)
        accept = TARGET_ACCEPT_SCORE if targets_by_index else ACCEPT_SCORE
        limit = self.max_attempts if self.weak_velocity is not None and temperature else 1
        while True:
            rejected = [k for k in range(len(seeds)) if best[k] < accept]
            # Full batches: further attempts at one face fill rows that cost nothing.
            planned = (
                (k, again) for again in range(limit) for k in rejected if again >= attempts[k]
            )
            batch = list(itertools.islice(planned, SAMPLE_BATCH))
            if not batch:
                return np.stack(codes)
            drawn, scores = self._draw(
                [(seeds[k], again) for k, again in batch], targets_by_index, temperature
            )
            for (k, again), code, score in zip(batch, drawn, scores, strict=True):
                attempts[k] = again + 1
                if best[k] < accept and score > best[k]:
                    codes[k], best[k] = code, score

    def _draw(
        self, attempts: Sequence[tuple[int, int]], targets: Mapping[int, float], temperature: float
    ) -> tuple[Floats, Floats]:
        """Codes [N, D] and scores [N] of (seed, attempt) pairs, at most `SAMPLE_BATCH` of them."""
        start = np.zeros((SAMPLE_BATCH, *LATENT_SHAPE), np.float32)
        condition = np.zeros((SAMPLE_BATCH, len(self.names)), np.float32)
        for row, own, (seed, attempt) in zip(start, condition, attempts, strict=False):
            row[:] = noise(seed, temperature, attempt)
            own[:] = self._condition(targets, seed, temperature)
        record: list[VelocityPair] = []
        velocity = self._guided(condition, list(targets), record)
        faces = integrate(velocity, start, condition, times=(0.0, 1.0), steps=self.steps)
        codes, scores = self.to_codes(faces), error_log_ratio(record, faces - start)
        asked = {self.names[k] for k in targets}
        if self.blur_probability is not None and self.max_attempts > 1 and BLURRY not in asked:
            p = np.clip(
                self.blur_probability(codes), MIN_BLUR_PROBABILITY, 1 - MIN_BLUR_PROBABILITY
            )
            scores = scores - np.float32(BLUR_WEIGHT) * np.log(p / (1 - p))
        return codes[: len(attempts)], scores[: len(attempts)]

    def _guided(
        self, condition: Floats, targets: Sequence[int], record: list[VelocityPair]
    ) -> Velocity:
        """The velocity under a condition [N, K] whose columns `targets` were asked for."""
        scale, weak = self.guidance, self.weak_velocity
        if scale is None:
            with_target = TARGET_GUIDANCE if weak is None else TARGET_GUIDANCE_WITH_WEAK
            scale = with_target if targets else GUIDANCE
        negative = np.zeros_like(condition) if weak is None else condition.copy()
        negative[:, targets] = -condition[:, targets]
        if weak is None:
            return cfg(self.velocity, scale, negative)
        velocity = cfg(self.velocity, scale, negative, orthogonal=True)
        if self.max_attempts > 1:
            velocity = recording(velocity, weak, record)
        if targets:
            return autoguidance(velocity, weak, TARGET_AUTOGUIDANCE_SCALE, TARGET_AUTOGUIDANCE_FROM)
        return autoguidance(velocity, weak, AUTOGUIDANCE_SCALE, AUTOGUIDANCE_FROM)

    def _condition(self, targets: Mapping[int, float], seed: int, temperature: float) -> Floats:
        """A face's condition [K]: the targets, the rest from the label prior, or 0 without one."""
        if self.labels is not None and temperature:
            labels = self.labels.sample(targets, np.random.default_rng([seed, 1]))
            return np.asarray(2 * labels - 1, np.float32)
        condition = np.zeros(len(self.names), np.float32)
        for k, label in targets.items():
            condition[k] = 2 * label - 1
        return condition
