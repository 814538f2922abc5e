"""How far an edit by the flow in few steps lies from one in many, and how many evaluations it takes.

`python benchmarks/flow_steps.py STORE [--people N] [--steps 2 3 4]`, STORE being prepared crops of the
frame `head`; validation people. For attributes of all kinds, to the other value: the distance of the
change of latents from that of 32 steps, over the latter's length; mean over people and attributes.

* difference: as `FlowEdit.change`, the difference from the way back integrated forward;
* two ways: the face integrated forward twice, under the target's condition and under its own, whose
  difference is the change (the method until decision 33).
"""

import argparse
import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np

from facedial import changes
from facedial.data.store import Store
from facedial.editing.implied import implied_by
from facedial.editor import Editor
from facedial.evaluate._context import evenly, portrait_of
from facedial.flow.guidance import cfg
from facedial.flow.inversion import FlowEdit, condition_of
from facedial.flow.solver import integrate

EDITS = ("Smiling", "Bald", "Young", "Goatee", "Male", "Bushy_Eyebrows")
MANY = 32


def two_ways(
    flow: FlowEdit, latents: np.ndarray, source: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """The change of latents as the difference of two integrations forward."""
    back, forward = (1.0, flow.t_start), (flow.t_start, 1.0)
    start = integrate(flow.velocity, latents, source, times=back, steps=flow.steps)
    same = integrate(flow.velocity, start, source, times=forward, steps=flow.steps)
    guided = cfg(flow.velocity, flow.guidance, source, orthogonal=True)
    return integrate(guided, start, target, times=forward, steps=flow.steps) - same


def by_difference(
    flow: FlowEdit, latents: np.ndarray, source: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """The change of latents as an edit computes it."""
    return flow.change(flow.path(latents, source), target, source)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--steps", type=int, nargs="+", default=[2, 3, 4, 6, 8])
    chosen = parser.parse_args()
    store = Store.open(chosen.store)
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    with Editor.open(threads=1) as editor:
        table = editor.model.edit_table
        for row in evenly(store.where("val"), chosen.people):
            portrait = portrait_of(editor, store, row)
            own = editor.predict_attributes(portrait)
            for name in EDITS:
                adds = own[name] < 0.5
                method = table.of_attribute(name)
                method = method if adds else table.lowering.get(name, method)
                flow = changes.flow_edit(editor.model, method)
                source = condition_of(flow.names, own)
                implied = implied_by({name: float(adds)}, flow.names)
                target, _ = flow.target_condition(source, name, adds, implied)
                given = (flow.to_latents(portrait.code.values[None]), source[None], target[None])
                exact = by_difference(dataclasses.replace(flow, steps=MANY), *given)
                for steps in chosen.steps:
                    short = dataclasses.replace(flow, steps=steps)
                    for kind, way in (("two ways", two_ways), ("difference", by_difference)):
                        off = np.linalg.norm(way(short, *given) - exact) / np.linalg.norm(exact)
                        errors[kind, steps].append(float(off))
    print(f"{'':12}" + "".join(f"{steps:>8} steps" for steps in chosen.steps))
    for kind, each in (("two ways", 4), ("difference", 3)):
        print(f"{kind:12}" + "".join(f"{np.mean(errors[kind, n]):14.3f}" for n in chosen.steps))
        print(f"{'evaluations':12}" + "".join(f"{each * steps:14}" for steps in chosen.steps))


if __name__ == "__main__":
    main()
