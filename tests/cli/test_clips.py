"""`facedial edit` of video clips."""

import json
from pathlib import Path

import numpy as np

from facedial.video import clip as files
from moving_faces import clip, heads, packets, write

from .conftest import Facedial, told

__all__ = ["clip", "heads"]


def test_a_clip_is_edited_from_the_command_line(
    facedial: Facedial,
    clip: Path,
    tmp_path: Path,
) -> None:
    done = facedial("edit", clip, "--hair-colour", "#101010", "--json")
    assert done.code == 0 and not done.err
    (row,) = json.loads(done.out)["results"]
    assert (row["face"], row["output"]) == (1, "walk-edited.mp4")
    assert packets(Path("walk-edited.mp4")) == packets(clip)
    verified = facedial("verify", "walk-edited.mp4", clip)
    assert "with parts made by a trained algorithm" in verified.lines[0]
    assert verified.lines[1].endswith("walk.mp4: no mark")
    assert len(list(files.frames(files.open_clip(Path("walk-edited.mp4"))))) == 4
    told(facedial("edit", clip, "--set", "Bald=1"), "walk-edited.mp4 exists", code=2)
    done = facedial("edit", clip, "--set", "Bald=1", "--skip-existing")
    assert done.code == 0 and "skipped" in done.err


def test_what_a_clip_cannot_take_is_refused_and_nothing_is_left(
    facedial: Facedial,
    clip: Path,
    tmp_path: Path,
) -> None:
    grey = write(tmp_path / "grey.mp4", [np.full((96, 96, 3), 120, np.uint8)] * 2, sound=False)
    bald = ("--set", "Bald=1")
    for words, sentence, code in (
        ((clip, *bald, "--strip"), "--strip is for photos", 2),
        ((clip, clip, *bald), "which is edited alone", 2),
        ((clip, *bald, "-o", "out.webm"), "use one of .mp4", 2),
        ((clip, *bald, "-o", "-"), "not written to standard output", 2),
        ((clip, *bald, "--face", 2), "has 1 face, so there is no face 2", 2),
        ((grey, *bald), "no face found in", 1),
        (("none.mp4", *bald), "cannot read none.mp4", 1),
    ):
        told(facedial("edit", *words), sentence, code=code)
    assert [one.name for one in tmp_path.iterdir()] == ["grey.mp4"]
