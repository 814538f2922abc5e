"""New faces of a model: its priors by name, generation, interpolation between faces."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from facedial.arrays import Floats
from facedial.codes.attributes import NAMES, find
from facedial.codes.code import Code
from facedial.editing.implied import implied_by
from facedial.errors import BadRequest
from facedial.faces.sheet import as_bytes
from facedial.flow.interpolate import FlowInterpolation, interpolate
from facedial.flow.sampler import BLURRY, MAX_ATTEMPTS, STEPS, FlowPrior
from facedial.model import Model
from facedial.priors.base import Prior, face_seeds
from facedial.priors.conditional import load_prior
from facedial.priors.uniform import RAW, UniformPrior, load_whitening

LEARNED, GAUSSIAN, UNIFORM = "learned", "gaussian", "uniform"
PRIORS = (LEARNED, GAUSSIAN, UNIFORM)


def prior_of(
    model: Model,
    name: str | None = None,
    *,
    guidance: float | None = None,
    steps: int | None = None,
    max_attempts: int | None = None,
) -> Prior:
    """The prior of that name; None for the best one of the model.

    `learned` (the flow, where there is one; `guidance`, `steps` and `max_attempts` are for it alone),
    `gaussian` (closed form; the baseline), `uniform` (the first source's). Raises `BadRequest`.
    """
    if name is None:
        name = LEARNED if model.has_flow else GAUSSIAN
    if name == LEARNED:
        return FlowPrior(
            space=model.space,
            names=model.flow_attributes(),
            velocity=model.velocity,
            to_codes=model.to_codes,
            guidance=guidance,
            steps=STEPS if steps is None else steps,
            labels=model.label_prior,
            weak_velocity=model.weak_velocity if model.has_weak_flow else None,
            max_attempts=MAX_ATTEMPTS if max_attempts is None else max_attempts,
            blur_probability=partial(_blur_probability, model),
        )
    if (guidance, steps, max_attempts) != (None, None, None):
        raise BadRequest(
            f"guidance, steps and max_attempts are settings of the learned prior, not of {name!r}"
        )
    if name == UNIFORM:
        raw = model.bundle.has_file(RAW)
        whitening = load_whitening(model.bundle.file(RAW)) if raw else None
        return UniformPrior(model.space, model.dimensions, whitening=whitening)
    if name == GAUSSIAN:
        return load_prior(model.prior_file())
    raise BadRequest(f"no prior named {name!r}; known: {', '.join(PRIORS)}")


def generate(
    prior: Prior,
    count: int,
    *,
    seed: int,
    targets: Mapping[str, float],
    temperature: float | None = None,
    exactly: bool = False,
    first: int = 0,
) -> list[Code]:
    """Codes of faces `first` to `first` + `count`; face i depends on `seed` and i alone.

    See `Editor.generate`.
    """
    if count < 1:
        raise BadRequest(f"at least 1 face can be generated, found {count}")
    if seed < 0:
        raise BadRequest(f"a seed is 0 or more, found {seed}")
    if first < 0:
        raise BadRequest(f"the first face is number 0 or more, found {first}")
    asked = spelt(targets)
    if temperature is None:
        temperature = prior.usual_temperature
    if not exactly:
        asked |= implied_by(asked, prior.names)
    values = prior.sample(face_seeds(seed, count, first), asked, temperature)
    return [Code(row, prior.space) for row in values]


def interpolate_codes(
    model: Model, codes: Sequence[Code], conditions: Sequence[Floats] | None, steps: int
) -> list[Code]:
    """Codes from face to face; by the flow under `conditions` [K] of the faces, linear where None.

    Raises `BadRequest` for fewer than two steps or no faces, `CodeSpaceMismatch`.
    """
    if not codes:
        raise BadRequest("an interpolation needs faces, and none were given")
    for code in codes:
        model.check(code)
    if conditions is None:
        return interpolate(codes, steps)
    values = np.stack([code.values for code in codes])
    segment = FlowInterpolation(
        values, np.stack(conditions), model.velocity, model.to_latents, model.to_codes
    )
    return interpolate(codes, steps, segment)


def spelt(targets: Mapping[str, float]) -> dict[str, float]:
    """Targets under CelebA's names; raises `BadRequest` for one given twice."""
    asked = {find(name).name: value for name, value in targets.items()}
    if len(asked) < len(targets):
        raise BadRequest("an attribute is given twice in two spellings; give one amount")
    return asked


def _blur_probability(model: Model, codes: Floats) -> Floats:
    """Probability that the decoded face of each code [N, D] is blurry, [N]."""
    found: Floats = model.predict_attributes(as_bytes(model.decode(codes)))
    return found[:, NAMES.index(BLURRY)]
