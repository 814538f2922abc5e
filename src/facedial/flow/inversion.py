"""Edits of faces by the flow: inversion to a time between noise and face, then forward under a target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from facedial.arrays import Floats
from facedial.cache import Cache
from facedial.codes.attributes import match
from facedial.errors import BadRequest, UnknownName
from facedial.flow import ToCodes, ToLatents, Velocity
from facedial.flow.guidance import extrapolated, under_both
from facedial.flow.resampling import resampled
from facedial.flow.solver import check_solver, followed

EDIT_GUIDANCE, EDIT_STEPS, T_START = 4.0, 4, 0.1
# A refined edit: from this time on the flow goes on, in so many steps, with this share of the distilled
# editor's change; a straight path would have 0.67 of it there, but the flow adds less than that editor.
REFINED_FROM, REFINED_STEPS, REFINED_SHARE = 0.7, 1, 0.85
# Kinds of results: of the whole flow, of its last part after the distilled editor, of that editor alone.
BY_FLOW, BY_REFINING, BY_DISTILLED = "flow", "refined", "distilled"
ANEW = 2  # seed of what is drawn anew: noise of its own would be another face each time
MIN_DISTANCE = 0.5  # of a target from the source, on the scale -1..1 of conditions


def condition_of(names: Sequence[str], probabilities: Mapping[str, float]) -> Floats:
    """The condition [K] of a face with these attribute probabilities, 0..1."""
    return np.array([2 * probabilities[name] - 1 for name in names], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FlowEdit:
    """Edits one attribute of a face at a time.

    The face's latents are integrated back to the time `t_start` under its own attributes (DDIM
    inversion, Song 2021, arXiv 2010.02502), where coarse features are still open, and forward again
    under the target's condition (SDEdit, Meng 2022, arXiv 2108.01073, made deterministic). What is
    integrated forward is the difference from the way back (as in FlowEdit, Kulikov 2024, arXiv
    2412.08629, there for noise drawn at random): so the inversion's error is in neither end, and the
    face itself is not reconstructed. Guidance is classifier-free, away from the face's own condition,
    orthogonal part alone.

    `mask` [32, 32] multiplies the change of latents (1 everywhere where None), `gain` the step.
    `distilled`: latents and conditions (source, target) [N, 2 K] -> change of latents, in one
    evaluation; used instead where given. Where the edit is `refined`, a part of that change is taken
    for what has changed by a late time, and the flow goes on from there. `final`: of which kind the best
    result is; where one is in the cache, it is preferred to the distilled editor's.

    The flow was trained on labels of 0 and 1, not on values between. So every edit is computed for the
    whole change of its attribute, and its step multiplied by the share that is asked for.
    """

    names: tuple[str, ...]
    velocity: Velocity
    to_latents: ToLatents
    to_codes: ToCodes
    t_start: float = T_START
    guidance: float = EDIT_GUIDANCE
    steps: int = EDIT_STEPS
    mask: Floats | None = None
    gain: float = 1.0
    cache: Cache = field(default_factory=Cache)
    distilled: Callable[[Floats, Floats], Floats] | None = None
    refined: bool = False
    final: str = BY_FLOW

    def __post_init__(self) -> None:
        check_solver(self.guidance, self.steps)
        if not 0 <= self.t_start < 1:
            raise BadRequest(f"t_start must lie in 0..1, found {self.t_start:g}")

    def target_condition(
        self, source: Floats, name: str, present: bool, implied: Mapping[str, float]
    ) -> tuple[Floats, float]:
        """The condition [K] with the attribute entirely present or absent, and its distance to go.

        The distance is at least `MIN_DISTANCE`, so that a smiling face can smile more. `implied`:
        other attributes -> 0 or 1 (`editing.implied`), which are set in the condition too.
        """
        sign = 1 if present else -1
        target = source.copy()
        for other, value in implied.items():
            target[self.index(other)] = 2 * value - 1
        k = self.index(name)
        distance = max(abs(sign - float(source[k])), MIN_DISTANCE)
        target[k] = source[k] + sign * distance
        return target, distance

    def step(
        self, values: Floats, source: Floats, name: str, amount: float, implied: Mapping[str, float]
    ) -> Floats:
        """What is added to a code [D] to change one attribute by `amount`, and `implied` with it.

        `amount`: change of the attribute's condition, whose whole range is 2. Exact zeros for 0.
        Raises `BadRequest` for an attribute that the flow was not trained on.
        """
        self.index(name)
        if amount == 0:
            return np.zeros_like(values)
        target, distance = self.target_condition(source, name, amount > 0, implied)
        return np.float32(self.gain * abs(amount) / distance) * self.whole_step(
            values, source, target
        )

    def step_anew(
        self,
        values: Floats,
        source: Floats,
        names: Sequence[str],
        share: float,
        hidden: Floats,
    ) -> Floats:
        """What is added to a code [D] where what things have `hidden` [32, 32] is drawn anew.

        `names`: their attributes, which the face that is drawn lacks; `share`: of the whole step. What is
        drawn is the same for the same face (`ANEW`), and goes with the rest of it.
        """
        chosen = [self.index(name) for name in names]
        bare, covered = source.copy(), source.copy()
        bare[chosen], covered[chosen] = -1, 1
        key = ("anew", values.tobytes(), source.tobytes(), tuple(chosen), hidden.tobytes())

        def whole() -> Floats:
            latents = self.to_latents(values[None])
            rng = np.random.default_rng(ANEW)
            found = resampled(self.velocity, latents, hidden, (bare[None], covered[None]), rng)
            return self.code_change(latents, found - latents)

        return np.float32(share) * self.cache.get(key, whole)

    def whole_step(self, values: Floats, source: Floats, target: Floats) -> Floats:
        """What is added to a code [D] when its condition goes from `source` to `target`, both [K]."""
        mask = None if self.mask is None else self.mask.tobytes()
        at = (values.tobytes(), source.tobytes())
        key = (*at, self.t_start, self.steps, self.guidance, target.tobytes(), mask)

        def path(flow: "FlowEdit", latents: Floats) -> Floats:
            found = (*at, flow.t_start, flow.steps)
            return self.cache.get(found, lambda: flow.path(latents, source[None]))

        def by_flow() -> Floats:
            latents = self.to_latents(values[None])
            change = self.change(path(self, latents), target[None], source[None])
            return self.code_change(latents, change, self.mask)

        def by_distilled() -> Floats:
            latents = self.to_latents(values[None])
            change = self._distilled_change(latents, source, target)
            return self.code_change(latents, change, self.mask)

        def by_refining() -> Floats:
            latents = self.to_latents(values[None])
            change = self._distilled_change(latents, source, target)
            begun = change if self.mask is None else change * self.mask
            begun = np.float32(REFINED_SHARE) * begun
            last = replace(self, t_start=REFINED_FROM, steps=REFINED_STEPS)
            change = last.change(path(last, latents), target[None], source[None], begun)
            return self.code_change(latents, change, self.mask)

        if self.distilled is None:
            return self.cache.get((*key, BY_FLOW), by_flow)
        if self.refined:
            return self.cache.get((*key, BY_REFINING), by_refining)
        known = self.cache.peek((*key, self.final))
        return self.cache.get((*key, BY_DISTILLED), by_distilled) if known is None else known

    def _distilled_change(self, latents: Floats, source: Floats, target: Floats) -> Floats:
        """The distilled editor's change of a face's latents [1, 6, 32, 32]."""
        assert self.distilled is not None
        return self.distilled(latents, np.concatenate([source, target])[None])

    def code_change(self, latents: Floats, change: Floats, mask: Floats | None = None) -> Floats:
        """What a change of a face's latents [1, 6, 32, 32], under a mask, adds to its code [D]."""
        if mask is not None:
            change = change * mask
        # The map to codes is affine: only differences of its values are differences of faces.
        after, before = self.to_codes(np.concatenate([latents + change, latents]))
        return np.asarray(after - before)

    def path(self, latents: Floats, source: Floats) -> Floats:
        """The way of faces [N, 6, 32, 32] back to `t_start`, under their own conditions [N, K].

        [steps, 2, N, 6, 32, 32]: latents and velocities where each step forward begins.
        """
        found: list[tuple[Floats, Floats]] = []

        def slope(_: int, time: Floats, values: Floats) -> Floats:
            found.append((values, self.velocity(values, time, source)))
            return found[-1][1]

        start = followed(slope, latents, times=(1.0, self.t_start), steps=self.steps)
        slope(0, np.full(len(latents), self.t_start, np.float32), start)
        return np.array(found[:0:-1])  # no step forward begins at the face itself

    def change(
        self, path: Floats, target: Floats, source: Floats, begun: Floats | None = None
    ) -> Floats:
        """What changes of faces [N, 6, 32, 32] that came by `path`, under target conditions [N, K].

        `begun`: what has changed at its beginning; nothing where None.
        """

        def slope(step: int, time: Floats, changed: Floats) -> Floats:
            own: Floats = path[step, 0]
            velocity: Floats = path[step, 1]
            latents = own + changed
            if self.guidance == 1:
                return self.velocity(latents, time, target) - velocity
            if step == 0 and begun is None:  # under its own condition it has the path's velocity
                positive, negative = self.velocity(latents, time, target), velocity
            else:
                positive, negative = under_both(self.velocity, latents, time, (target, source))
            face = latents + (1 - time)[:, None, None, None] * positive
            return extrapolated(positive, negative, self.guidance, face) - velocity

        first = np.zeros_like(path[0, 0]) if begun is None else begun
        return followed(slope, first, times=(self.t_start, 1.0), steps=self.steps)

    def index(self, name: str) -> int:
        """Column of an attribute; raises `BadRequest` where the flow was not trained on it."""
        try:
            return self.names.index(match(name, self.names))
        except UnknownName as error:
            raise BadRequest(
                f"the flow was not trained on {name}; a learned direction can only be moved along, "
                "by the method direction"
            ) from error
