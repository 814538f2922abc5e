"""Directions of attributes in code space: linear readings, and steps that keep some of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from facedial.arrays import Doubles, Floats, open_part, save_arrays
from facedial.codes.attributes import key, match
from facedial.codes.code import Code, check_same_space
from facedial.codes.moments import fit_moments
from facedial.editing.request import Edit
from facedial.errors import BadRequest

FORMAT = 1
# Both chosen on validation people of CelebA (4,535 photos; fitted on 37,540).
READ_RIDGE = 0.3  # of a code's variance (1): mean AUC changes by 0.0002 between 0 and 100
STEP_RIDGE = 0.01  # of label variance (at most 1/4): predicts codes within 4e-5 of the best, 0.03,
#                    and changes the other readings less (mean 0.119 sd against 0.127)
MIN_COSINE = 0.05  # of a step and its reading's weights; below it, steps would be far too long


class NamedStep(Protocol):
    """What `Directions.with_learned` takes, a `Learned`: a step [D] and the reading of it."""

    @property
    def name(self) -> str:
        """What edits call it."""

    @property
    def space(self) -> str:
        """Id of the code space."""

    @property
    def step(self) -> Floats:
        """Float32 [D], from reading 0 to reading 1."""

    @property
    def read_weights(self) -> Floats:
        """Float32 [D]."""

    @property
    def read_bias(self) -> float:
        """Added to `read_weights` times a code."""


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """K attributes of one code space, each with a unit step and a linear reading.

    `unit` float32 [K, D]: steps, of length 1. `read_weights` [K, D], `read_bias` [K]: a reading
    is `read_weights @ code + read_bias`, 0 for people without and 1 for people with the attribute
    on average. `gain` [K]: change of the own reading per unit step. `sd` [K]: standard deviation
    of the readings over training people.
    """

    names: tuple[str, ...]
    space: str
    unit: Floats
    read_weights: Floats
    read_bias: Floats
    sd: Floats

    @property
    def gain(self) -> Floats:
        """Change of the own reading per unit step, float32 [K]."""
        return np.asarray((self.unit * self.read_weights).sum(axis=1))

    def index(self, name: str) -> int:
        """Row of attribute `name`, any spelling; raises `UnknownName` with the nearest."""
        return self.names.index(match(name, self.names))

    def read(self, codes: Floats) -> Floats:
        """Readings float32 [N, K] of `codes` [N, D]."""
        return np.asarray(codes @ self.read_weights.T + self.read_bias)

    def readings(self, code: Code) -> dict[str, float]:
        """Reading of every attribute in one code; raises `CodeSpaceMismatch`."""
        check_same_space(code, self)
        return dict(zip(self.names, map(float, self.read(code.values[None])[0]), strict=True))

    def effects(self, step: Floats) -> dict[str, float]:
        """Change of every reading by `step` [D], in standard deviations over training people."""
        change = (self.read_weights @ step) / self.sd
        return dict(zip(self.names, map(float, change), strict=True))

    def step(self, code: Code, edit: Edit) -> Floats:
        """The step float32 [D] of an edit: what is added to the values of `code`.

        Shifts add up, each exact for its own attribute alone. Targets are then solved jointly, so
        that at strength 1 all are reached at once, whatever the shifts. Readings of kept attributes
        do not change: the part of every direction that would change them is projected out, in
        whitened codes the smallest correction. A zero edit gives exact zeros.

        Raises `UnknownName`, `CodeSpaceMismatch`, and `BadRequest` when a direction vanishes by the
        projection, or when the targets cannot be reached together.
        """
        check_same_space(code, self)
        kept = sorted(self.index(name) for name in edit.keep)
        targets = {self.index(name): value for name, value in edit.targets.items()}
        shifts = {self.index(name): value for name, value in edit.shifts.items() if value}
        step = np.zeros(len(code.values))
        if edit.is_zero:
            return step.astype(np.float32)
        for name in sorted({*targets, *shifts} & set(kept)):
            raise BadRequest(f"{self.names[name]} cannot both change and be kept")
        weights = self.read_weights.astype(np.float64)
        units = self.unit.astype(np.float64)
        if kept:
            units = project_out(units, weights[kept])
        self._refuse_stuck(sorted({*targets, *shifts}), units, weights)
        for k, amount in shifts.items():
            step += amount * self.sd[k] / (weights[k] @ units[k]) * units[k]
        if targets:
            rows = list(targets)
            now = weights[rows] @ (code.values + step) + self.read_bias[rows]
            missing = np.array([targets[k] for k in rows]) - now
            step += self._solve(rows, units, weights, missing)
        return np.asarray(edit.strength * step).astype(np.float32)

    def keeping(self, step: Floats, names: Collection[str]) -> Floats:
        """A step [D] without its part that changes the readings of `names`.

        Raises `UnknownName`.
        """
        rows = sorted(self.index(name) for name in names)
        if not rows:
            return step
        weights = self.read_weights[rows].astype(np.float64)
        return project_out(step.astype(np.float64), weights).astype(np.float32)

    def _refuse_stuck(self, rows: Sequence[int], units: Doubles, weights: Doubles) -> None:
        for k in rows:
            if weights[k] @ units[k] < MIN_COSINE * np.linalg.norm(weights[k]):
                raise BadRequest(
                    f"{self.names[k]} cannot change while so much is kept; keep fewer attributes"
                )

    def _solve(
        self, rows: Sequence[int], units: Doubles, weights: Doubles, missing: Doubles
    ) -> Doubles:
        """The combination of the directions `rows` that changes their readings by `missing`."""
        answer = (weights[rows] @ units[rows].T) / self.sd[rows][:, None]
        # rows and columns scaled: the condition number is then about angles alone
        if np.linalg.cond(answer / np.abs(answer).max(axis=0)) > 1e4:
            names = ", ".join(self.names[k] for k in rows)
            raise BadRequest(f"these cannot all be reached together: {names}; ask for fewer")
        return np.asarray(np.linalg.solve(answer, missing / self.sd[rows]) @ units[rows])

    def with_learned(self, learned: NamedStep) -> "Directions":
        """These directions and one more, which edits may name like an attribute.

        Its readings' `sd` is that of whitened codes, the length of its weights.
        Raises `CodeSpaceMismatch`, and `BadRequest` for a name that exists.
        """
        check_same_space(self, learned)
        if key(learned.name) in map(key, self.names):
            raise BadRequest(f"{learned.name!r} exists already; learn under another name")
        weights = np.asarray(learned.read_weights, np.float32)[None]
        return Directions(
            names=(*self.names, learned.name),
            space=self.space,
            unit=np.concatenate([self.unit, unit_rows(learned.step[None])]),
            read_weights=np.concatenate([self.read_weights, weights]),
            read_bias=np.append(self.read_bias, np.float32(learned.read_bias)),
            sd=np.append(self.sd, np.float32(np.linalg.norm(weights))),
        )

    def save(self, path: str | Path) -> None:
        """Write `.npz`; matrices as float16 (readings agree to about 0.001)."""
        save_arrays(
            path,
            format=np.int64(FORMAT),
            names=np.array(self.names, dtype=np.str_),
            space=np.array(self.space),
            unit=self.unit.astype(np.float16),
            read_weights=self.read_weights.astype(np.float16),
            read_bias=self.read_bias,
            sd=self.sd,
        )

    @staticmethod
    def load(path: str | Path) -> "Directions":
        """Read what `save` wrote; raises `BadBundle` when it is missing, damaged or newer."""
        with open_part(path, "directions", FORMAT) as file:
            return Directions(
                names=tuple(str(name) for name in file["names"]),
                space=str(file["space"]),
                unit=unit_rows(file["unit"].astype(np.float32)),
                read_weights=file["read_weights"].astype(np.float32),
                read_bias=file["read_bias"].astype(np.float32),
                sd=file["sd"].astype(np.float32),
            )


def unit_rows(rows: Floats) -> Floats:
    """`rows` [K, D], each at length 1, float32."""
    rows = np.asarray(rows, np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def project_out(steps: Doubles, weights: Doubles) -> Doubles:
    """`steps` [..., D] without their part that changes the readings of `weights` [K, D].

    The orthogonal projection: in whitened codes the smallest change that does it.
    """
    coefficients, *_ = np.linalg.lstsq(weights.T, steps.T, rcond=None)
    return np.asarray(steps - (weights.T @ coefficients).T)


def fit_directions(
    codes: Floats,
    labels: Floats,
    names: Sequence[str],
    *,
    space: str,
    read_ridge: float = READ_RIDGE,
    step_ridge: float = STEP_RIDGE,
) -> Directions:
    """Directions of whitened `codes` [N, D] with `labels` [N, K] in 0..1, NaN = unknown.

    Steps: ridge regression of the code on all labels at once, so that a step towards glasses does
    not change age and sex with it. Readings: ridge regression of each label on the code, scaled so
    that their mean is 0 for people without and 1 for people with the attribute (soft labels count as
    weights). Missing labels: every covariance is taken over the rows that have its labels.
    Raises `BadRequest` when all people or none have an attribute, and when the codes do not
    correlate with one, as where they are the same for every picture.
    """
    m = fit_moments(codes, labels, names)
    dim, kinds = len(m.mean), len(names)
    raw = np.linalg.solve(m.cov + read_ridge * np.eye(dim), m.cross.T).T  # [K, D]
    share = m.label_mean
    gap = (raw * m.cross).sum(axis=1) / (share * (1 - share))  # mean with - mean without
    for name in np.asarray(names)[gap <= 0]:
        raise BadRequest(
            f"the codes do not correlate with {name}: their means with and without it are the same; "
            "the model that made them must be trained longer, or otherwise"
        )
    weights = raw / gap[:, None]
    # mean reading of people without = mean - share * gap, and the gap is 1 now
    bias = share - (weights * m.mean_known).sum(axis=1)
    sd = np.sqrt(((weights @ m.cov) * weights).sum(axis=1))
    steps = unit_rows(
        np.linalg.solve(m.label_cov + step_ridge * np.eye(kinds), m.cross).astype(np.float32)
    )
    own = (steps * weights).sum(axis=1) / np.linalg.norm(weights, axis=1)
    # few or contradicting labels can turn a joint direction away from its own reading
    steps = np.where(own[:, None] >= 2 * MIN_COSINE, steps, unit_rows(weights))
    return Directions(
        names=tuple(names),
        space=space,
        unit=steps.astype(np.float32),
        read_weights=weights.astype(np.float32),
        read_bias=bias.astype(np.float32),
        sd=sd.astype(np.float32),
    )


def label_directions(
    latent: int, labels: Floats, names: Sequence[str], *, space: str, slope: Floats | None = None
) -> Directions:
    """Directions of codes [latent numbers, attributes]: each sets its attribute's number.

    `labels` [N, K] in 0..1 give the standard deviations of the attributes. `slope` [K, L]: change of
    the latent numbers with each attribute.
    """
    count = len(names)
    own = np.eye(count, dtype=np.float32)
    along = np.zeros((count, latent), np.float32) if slope is None else slope
    unit = np.concatenate([along, own], 1)
    weights = np.concatenate([np.zeros((count, latent), np.float32), own], 1)
    return Directions(
        names=tuple(names),
        space=space,
        unit=(unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32),
        read_weights=weights,
        read_bias=np.zeros(count, np.float32),
        sd=np.maximum(np.std(labels, axis=0), 1e-3).astype(np.float32),
    )
