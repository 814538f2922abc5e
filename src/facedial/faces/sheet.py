"""Contact sheets, captions and animations."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facedial import files
from facedial.errors import BadRequest, FacedialError
from facedial.faces import mark

Pixels = NDArray[np.uint8]
WHITE = 255


def grid(pictures: Sequence[Pixels], columns: int, *, gap: int = 2) -> Pixels:
    """Pictures uint8 [S, S, 3] of one size in a grid of `columns` on white; the last row may be short."""
    if not pictures or columns < 1:
        raise BadRequest("a grid needs at least one picture and one column")
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    whole = np.full(shape, WHITE, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * (height + gap), i % columns * (width + gap)
        whole[y : y + height, x : x + width] = picture
    return whole


def stack(parts: Sequence[Pixels], *, gap: int = 8) -> Pixels:
    """Pictures of any width under one another, centred on white."""
    width = max(part.shape[1] for part in parts)
    whole = np.full((sum(p.shape[0] + gap for p in parts) - gap, width, 3), WHITE, np.uint8)
    y = 0
    for part in parts:
        x = (width - part.shape[1]) // 2
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
        y += part.shape[0] + gap
    return whole


def caption(text: str, width: int, *, height: int = 22) -> Pixels:
    """A line of text as a picture uint8 [height, width, 3]."""
    image = Image.new("RGB", (width, height), (WHITE,) * 3)
    font = ImageFont.load_default(size=height * 0.62)
    ImageDraw.Draw(image).text((4, height / 2), text, fill=(40, 40, 40), font=font, anchor="lm")
    return np.asarray(image)


def enlarged(picture: Pixels, side: int) -> Pixels:
    """A picture uint8 [S, S, 3] at a larger side, bicubic by Pillow: as the networks of 256 px expect."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Picture of (width, height) by Lanczos."""
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def mask_png(mask: NDArray[np.float32], colour: tuple[int, int, int]) -> bytes:
    """A mask [H, W] in 0..1 as a PNG of one colour, whose alpha is the mask."""
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = np.rint(255 * np.clip(mask, 0, 1))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


MOVING = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".mp4": "MP4"}


def as_bytes(values: NDArray[np.float32]) -> Pixels:
    """Values of any shape, about 0..255 -> uint8, rounded and clipped."""
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """Downsample uint8 [N, S, S, C] -> [N, side, side, C], S a multiple of `side`: block means."""
    count, size, channels = len(pixels), pixels.shape[1], pixels.shape[3]
    if size == side:
        return pixels
    blocks = pixels.reshape(count, side, size // side, side, size // side, channels)
    means: Pixels = np.rint(blocks.mean((2, 4), dtype=np.float32)).astype(np.uint8)
    return means


def moving(frames: Sequence[Pixels], ending: str, *, per_s: float) -> bytes:
    """An animation as a file: `ending` one of .gif, .webp, .png.  Only .webp can hold the mark."""
    images = [Image.fromarray(frame) for frame in frames]
    marked = {"xmp": mark.packet(mark.GENERATED)} if ending == ".webp" else {}
    stream = io.BytesIO()
    try:
        images[0].save(
            stream,
            format=MOVING[ending],
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / per_s),
            loop=0,
            **marked,
        )
    except Exception as error:  # as in faces.writing: Pillow's writers raise anything
        raise FacedialError(f"cannot write these pictures as {ending}: {error}") from error
    return stream.getvalue()


def save_frames(
    frames: Sequence[Pixels], path: Path, *, per_s: float, overwrite: bool = False
) -> None:
    """Write an animation in the format of its ending (.gif, .webp, .png, .mp4), by `files.atomic_write`.

    Raises `BadRequest` for another ending, an output that exists, or a missing extra for .mp4.
    """
    ending = path.suffix.lower()
    if ending not in MOVING:
        raise BadRequest(
            f"{path} must end in one of {', '.join(MOVING)}, or be a folder for frames"
        )
    with files.atomic_write(path, overwrite=overwrite) as temporary:
        if ending == ".mp4":
            _save_film(frames, temporary, per_s)
        else:
            temporary.write_bytes(moving(frames, ending, per_s=per_s))


def _save_film(frames: Sequence[Pixels], path: Path, per_s: float) -> None:
    """H.264 by the extra `video`."""
    try:
        import av
    except ImportError as error:
        raise BadRequest(
            ".mp4 needs one more package; install it with: pip install 'facedial[video]'"
        ) from error
    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=Fraction(per_s).limit_denominator(1000))
        stream.height, stream.width = frames[0].shape[:2]
        even = not (stream.width % 2 or stream.height % 2)
        stream.pix_fmt = "yuv420p" if even else "yuv444p"
        stream.options = {"crf": "17"}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())
