"""Nobody judges whom they have learnt from."""

from dataclasses import dataclass

import numpy as np

from facedial.data.judging import HELD_OUT, judged, judging


@dataclass
class People:
    """As much of a store as is looked at."""

    split: np.ndarray
    person: np.ndarray


def people(count: int = 3000) -> People:
    rng = np.random.default_rng(0)
    person = np.array([f"person {i // 2}" for i in range(count)])
    # Splits are by person: two photos each.
    split = np.repeat(rng.choice(["train", "val", "test"], count // 2, p=[0.5, 0.25, 0.25]), 2)
    return People(split, person)


def test_the_four_groups_share_nobody() -> None:
    some = people()
    learnt, held = judging(some)  # type: ignore[arg-type]
    other = judged(some)  # type: ignore[arg-type]
    groups = [{*some.person[rows]} for rows in (learnt, held, other)]
    groups.append({*some.person[some.split == "train"]})
    for i, one in enumerate(groups):
        assert one
        for another in groups[i + 1 :]:
            assert not one & another
    assert sum(map(len, groups)) == len({*some.person})


def test_test_people_are_halved_and_one_in_so_many_is_held_out() -> None:
    some = people()
    learnt, held = judging(some)  # type: ignore[arg-type]
    tests = (some.split == "test").sum()
    assert abs(len(judged(some)) / tests - 0.5) < 0.08  # type: ignore[arg-type]
    assert abs(len(held) / (len(held) + len(learnt)) - 1 / HELD_OUT) < 0.04


def test_groups_never_change() -> None:
    """A judge trained last year still knows none of whom it judges."""
    one = People(np.array(["test"] * 6), np.array(["a", "b", "c", "d", "e", "f"]))
    assert judged(one).tolist() == GROUP  # type: ignore[arg-type]


GROUP = [0, 1, 5]  # of the digests of their names
