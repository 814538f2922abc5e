"""Pictures to look at: strips, sheets of faces, aligned crops, interpolations, and the demo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.code import Code
from facedial.editor import Editor
from facedial.errors import BadRequest, UnknownName
from facedial.faces import sheet
from facedial.faces.crop import FRAMES, align
from facedial.faces.mark import EDITED, GENERATED
from facedial.faces.photo import Photo
from facedial.files import WRITABLE, refuse_existing
from facedial.folder import nearest
from facedial.model import FRAME
from facedial.portrait import Portrait

Pixels = NDArray[np.uint8]

DEMO_FACES, DEMO_ACROSS = 16, 8
DEMO_EDITS = ("Smiling", "Eyeglasses", "Blond_Hair", "Male", "Young")
# Companded bytes (as by mu-law in telephony, here by asinh): largest number kept, and how fast steps grow
# with it. Most numbers are small; the few large ones lead, so that clipping them would cost most.
BYTE_RANGE, COMPANDING = 12.0, 1.5


def edit_strip(editor: Editor, portraits: Sequence[Portrait], result: Photo) -> Photo:
    """A row for each face: the crop of the photo, its reconstruction, the crop of the result."""
    rows = []
    for portrait in portraits:
        after = align(result, portrait.face, editor.model.frame, editor.model.side)
        decoded = editor.decode([portrait.code], mse=True)[0]
        rows.append(sheet.grid([portrait.crop.pixels, decoded, after.pixels], 3))
    return Photo(sheet.stack(rows, gap=2), "strip", mark=EDITED)


def companded(code: Code) -> Code:
    """The code rounded to one byte a number: steps of 0.02 near zero, of 0.3 near the largest, 12.

    Numbers are standard deviations over training people.
    """
    step = np.arcsinh(COMPANDING * BYTE_RANGE) / 127
    steps = np.clip(np.rint(np.arcsinh(COMPANDING * code.values) / step), -127, 127)
    return Code((np.sinh(steps * step) / COMPANDING).astype(np.float32), code.space)


def reconstruction_strip(
    editor: Editor,
    portraits: Sequence[Portrait],
    *,
    as_bytes: bool = False,
    size: int | None = None,
) -> tuple[Photo, list[dict[str, float]]]:
    """Crop beside reconstruction for each face, and rows with `psnr` (dB), `ssim`, `bytes`.

    `as_bytes`: of the code rounded to one byte a number (`companded`). `size`: of the pictures, as for
    `Editor.size`; the figures are always those of the model's own size.
    """
    side = editor.size(size)
    rows, numbers = [], []
    for portrait in portraits:
        code = companded(portrait.code) if as_bytes else portrait.code
        decoded = editor.decode([code], mse=True)[0]
        crop = portrait.crop.pixels
        shown = [crop, decoded]
        if side != editor.model.side:
            larger = align(portrait.photo, portrait.face, editor.model.frame, side)
            shown = [larger.pixels, editor.decode([code], size=side)[0]]
        rows.append(sheet.grid(shown, 2))
        numbers.append(
            {
                "psnr": float(scores.psnr(crop[None], decoded[None])[0]),
                "ssim": float(scores.ssim(crop[None], decoded[None])[0]),
                "bytes": float(len(code.values) * (1 if as_bytes else 4)),
            }
        )
    return Photo(sheet.stack(rows, gap=2), "strip", mark=EDITED), numbers


def save_faces(
    editor: Editor,
    codes: Sequence[Code],
    out: Path,
    *,
    names: Sequence[str],
    as_grid: bool,
    size: int | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Decode codes into one sheet, or into one PNG each in the folder `out`; returns the paths.

    `names`: of the codes, or of the files they came from; the PNGs are named after them. A single face
    may also be written to the file `out`. `size`: as for `Editor.size`. Raises `BadRequest` before
    anything is decoded when an output exists.
    """
    if not codes:
        raise BadRequest("there are no codes to decode; encode or generate some")
    side = editor.size(size)
    if as_grid or (len(codes) == 1 and out.suffix.lower() in WRITABLE and not out.is_dir()):
        _refuse_existing([out], overwrite=overwrite)
        pictures = list(editor.decode(codes, size=side))
        columns = int(np.ceil(np.sqrt(len(pictures))))
        Photo(sheet.grid(pictures, columns), out.name, mark=GENERATED).save(
            out, overwrite=overwrite
        )
        return [out]
    if out.is_file() or out.suffix.lower() in WRITABLE:
        raise BadRequest(f"{out} is one file; pictures of single faces need a folder")
    paths = [out / f"{stem}.png" for stem in _stems(names)]
    _refuse_existing(paths, overwrite=overwrite)
    out.mkdir(parents=True, exist_ok=True)
    for path, picture in zip(paths, editor.decode(codes, size=side), strict=True):
        Photo(picture, path.name, mark=GENERATED).save(path, overwrite=overwrite)
    return paths


def _stems(names: Sequence[str]) -> list[str]:
    """A file stem for each code: of its file's name, numbered where names repeat."""
    stems: list[str] = []
    for name in names:
        # "me.jpg#2" is the second face of me.jpg
        file, _, number = Path(name).name.partition("#")
        stem = "-".join(part for part in (Path(file).stem or "face", number) if part)
        candidates = (f"{stem}{end}" for end in ["", *(f"-{n}" for n in range(2, len(names) + 2))])
        taken = set(stems)
        stems.append(next(one for one in candidates if one not in taken))
    return stems


def _refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    for path in paths:
        refuse_existing(path, overwrite=overwrite)


def check_interpolation(out: Path, per_s: float, *, overwrite: bool = False) -> None:
    """Raise `BadRequest` for what `save_interpolation` cannot write, before any work."""
    if out.suffix and out.suffix.lower() not in sheet.MOVING:
        raise BadRequest(
            f"{out} must end in one of {', '.join(sheet.MOVING)}, or be a folder for frames"
        )
    if not 1 <= per_s <= 60:
        raise BadRequest(f"frames per second lie in 1..60, found {per_s:g}")
    if not out.suffix and out.is_file():
        raise BadRequest(f"{out} is a file; frames need a folder")
    _refuse_existing([out] if out.suffix else sorted(out.glob("frame-*.png")), overwrite=overwrite)


def save_interpolation(
    editor: Editor,
    codes: Sequence[Code],
    out: Path,
    *,
    per_s: float,
    size: int | None = None,
    overwrite: bool = False,
) -> None:
    """Codes of an interpolation, decoded: an animation, or a folder of PNGs.

    `per_s`: frames a second. `size`: as for `Editor.size`. Raises `BadRequest` as `check_interpolation`.
    """
    check_interpolation(out, per_s, overwrite=overwrite)
    frames = list(editor.decode(codes, size=editor.size(size)))
    if out.suffix:
        sheet.save_frames(frames, out, per_s=per_s, overwrite=overwrite)
        return
    out.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        name = f"frame-{i:04d}.png"
        Photo(frame, name, mark=GENERATED).save(out / name, overwrite=overwrite)


def check_frame(frame: str) -> None:
    """Raise `UnknownName`, with the nearest, where there is no such frame of crops."""
    if frame not in FRAMES:
        raise UnknownName(nearest(frame, FRAMES, "frame"))


def save_crops(
    editor: Editor,
    photo: Photo,
    target: Path,
    frame: str,
    size: int,
    face: int | str,
    *,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Save a photo's crops on a frame; rows with `output`, `inside` and `to_photo`.

    `face`: as for `Editor.portraits`. `inside`: share of the crop that the photo covers. `to_photo`
    [2, 3]: affine map from crop to photo pixels.
    """
    check_frame(frame)
    faces = [p.face for p in editor.portraits(photo, face)] if frame == FRAME else [None]
    ends = ["", *(f"-{number}" for number in range(2, len(faces) + 1))]
    paths = [target.with_stem(f"{target.stem}{end}") for end in ends]
    _refuse_existing(paths, overwrite=overwrite)
    rows = []
    for path, one in zip(paths, faces, strict=True):
        crop = align(photo, one, frame, size)
        Photo(crop.pixels, path.name, mark=photo.mark).save(path, overwrite=overwrite)
        row: dict[str, Any] = {"output": str(path), "inside": round(crop.inside, 4)}
        rows.append({**row, "to_photo": crop.to_photo.round(4).tolist()})
    return rows


def demo(editor: Editor, subjects: Sequence[Portrait], seed: int) -> Photo:
    """A contact sheet: new faces, and reconstructions and edits of `subjects` or of new faces."""
    codes = editor.generate(DEMO_FACES, seed=seed)
    frame, side = editor.model.frame, editor.size()
    width = DEMO_ACROSS * (side + 2)
    parts = [
        sheet.caption("new faces from random codes", width),
        sheet.grid(list(editor.decode(codes, size=side)), DEMO_ACROSS),
    ]
    faces = subjects or [editor.reader.of_code(code, size=side) for code in codes[:4]]
    parts.append(sheet.caption(" | ".join(["face", "reconstruction", *DEMO_EDITS]), width))
    for face in faces:
        row = [align(face.photo, face.face, frame, side).pixels]
        row.append(editor.decode([face.code], size=side)[0])
        current = editor.current_values(face)
        for name in DEMO_EDITS:
            # Each face gets the attribute where it lacks it, and loses it where it has it.
            edited = editor.render(face, {name: 0.0 if current[name] > 0.5 else 1.0})
            row.append(align(edited, face.face, frame, side).pixels)
        parts.append(sheet.grid(row, len(row)))
    return Photo(sheet.stack(parts), "demo", mark=GENERATED)
