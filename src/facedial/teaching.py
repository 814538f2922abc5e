"""A direction learned from two sets of photos: which photos, checks, fitting, the report as text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facedial.codes.attributes import key
from facedial.codes.code import Code, CodeTable
from facedial.editing.learn import Learned, learn
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.files import is_picture, read_text

FEW = 20  # faces in a set, from which on the cross-validated AUC says something


def listed(listing: Path) -> list[Path]:
    """Pictures of a folder, or the paths in a text file (one a line, relative to the file)."""
    if listing.is_dir():
        found = sorted(p for p in listing.rglob("*") if is_picture(p))
    elif listing.is_file():
        lines = read_text(listing, "list of paths").split("\n")
        found = [listing.parent / line.strip() for line in lines if line.strip()]
    else:
        raise BadRequest(f"{listing} does not exist; give a folder of photos or a list of paths")
    if not found:
        raise BadRequest(f"{listing} holds no pictures")
    return found


def check_name(editor: Editor, name: str, balance: Sequence[str]) -> None:
    """Raise what `learn_direction` would raise, before any photo is encoded.

    `BadRequest` for a name that cannot be used in an edit, `UnknownName` in `balance`.
    """
    if not key(name) or "=" in name:
        raise BadRequest(f"a direction needs a name without '=', found {name!r}")
    taken = {key(known): known for known in editor.model.directions.names}
    if key(name) in taken:
        raise BadRequest(
            f"the model has an attribute {taken[key(name)]} already; learn under another name"
        )
    for one in balance:
        editor.model.directions.index(one)


def learn_direction(
    editor: Editor,
    name: str,
    with_codes: Sequence[Code],
    without_codes: Sequence[Code],
    balance: Sequence[str],
    *,
    plain: bool,
    seed: int,
) -> Learned:
    """A direction from codes with and without something; `plain`: their difference of means alone.

    Raises `BadRequest` for sets that are empty, too small or the same (`editing.learn`).
    """
    if not with_codes or not without_codes:
        raise BadRequest("a direction needs faces in both sets; one of them has none")
    tables = [
        CodeTable.of(codes, [str(i) for i in range(len(codes))])
        for codes in (with_codes, without_codes)
    ]
    return learn(
        name,
        tables[0],
        tables[1],
        editor.model.directions,
        balance=balance,
        method="mean" if plain else "shrunk",
        rng=np.random.default_rng(seed),
    )


def described(learned: Learned) -> str:
    """The report as text."""
    report = learned.report
    lines = [
        f"{learned.name}: {report.n_with} faces with, {report.n_without} without",
        f"held out ({report.folds} folds): AUC {report.auc:.3f} "
        f"(plain difference of means {report.auc_mean:.3f})",
        "effect of one unit on other readings, in s.d.: "
        + ", ".join(f"{name} {value:+.2f}" for name, value in list(report.moves.items())[:6]),
        "mean readings of the two sets (with / without):",
    ]
    few = min(report.n_with, report.n_without)
    if few < FEW:
        lines.insert(2, f"{few} faces in a set: the AUC says little; {FEW} give something")
    lines += [
        f"  {one.name:20} {one.with_mean:5.2f} / {one.without_mean:5.2f}" for one in report.sets[:6]
    ]
    shown = {one.name for one in report.sets[:6]}
    lines += [
        f"  {one.name:20} {one.with_mean:5.2f} / {one.without_mean:5.2f}"
        for one in report.sets
        if one.name in ("Male", "Young") and one.name not in shown
    ]
    if report.balanced:
        lines.append(f"balanced for: {', '.join(report.balanced)}")
    return "\n".join(lines)
