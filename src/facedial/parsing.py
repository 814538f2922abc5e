"""Parses of portraits and of decoded faces: class probabilities, regions of edits, the hair matte."""

from collections.abc import Iterable, Sequence

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats
from facedial.compose.masks import box_mean, grown, rows_mask, smoothstep
from facedial.editing.regions import EITHER, Region
from facedial.faces.crop import Crop, head_template, inside_photo
from facedial.faces.face_boxes import FaceBoxes
from facedial.faces.geometry import (
    Affine,
    apply,
    box_in_photo,
    compose,
    scaling,
    similarity,
    warp,
)
from facedial.faces.landmarks import locate, plausible
from facedial.faces.parse import (
    BACKGROUND,
    CLASSES,
    HAIR,
    HAT,
    SIDE,
    Bools,
    dilated,
    head_distance,
)
from facedial.faces.parse import share as share
from facedial.faces.photo import Box
from facedial.faces.sheet import as_bytes, enlarged
from facedial.model import FRAME, Model
from facedial.portrait import Portrait

WIDE = 2.0  # side of the frame `portrait` over that of the frame `head`
MATTE = 0.3, 0.95  # matte of the parser up to which there is no hair, and from which on only hair
APART = 0.9, 1.0  # distance from another head over that from the own one: from theirs to the own
OTHER = 0.4, 0.8  # total variation up to which two parses agree, and from which on they differ
# Change of classes' shape over their size: up to it they keep their detail; from it on they keep none.
RESHAPED = 0.15, 0.6
# Probability of a class new in a drawing: not seen, entirely seen; and share of the side around it.
SPREAD, STRAY = (0.05, 0.3), 0.015
COLOURED = ({"skin", "brows", "ears", "neck"}, {"hair"})  # classes that keep their hue
BESIDE_HEAD = ("background", "clothes", "hat")  # classes of what a head does not move
LEAST_SKIN = 1e-4  # so that tones far from any skin have a mean
AROUND_WHOLE = 0.03  # of the side, around classes that are replaced as a whole
COARSE = 64  # pixels along the side at which hair that belongs together is found
AROUND = 8  # pixels around hair in which single strands may lie
OWN_HAIR = 0.25  # matte from which on hair belongs together

OVER_EYES = 0.1  # of the side of the frame `head`: a hat reaches higher above the eyes
NEVER = -30.0  # log-odds
_EYES: Doubles = head_template(SIDE)[:2].mean(0)

# Keys of a portrait's cache under which what is read from its photo is kept.
PARSE, HEAD_HAIR, WIDE_HAIR = "parse", "head hair", "wide hair"


def classes_of(model: Model, portrait: Portrait) -> Floats:
    """Probabilities of the classes in a portrait's crop [12, S, S]; computed once."""
    side = portrait.crop.pixels.shape[0]
    return portrait.cache.get(PARSE, lambda: probabilities_of(_logits(model, portrait), side))


def _logits(model: Model, portrait: Portrait) -> Floats:
    """Log-odds of the classes in a portrait's head crop [12, 256, 256]; with them comes the hair."""

    def parse() -> Floats:
        logits, hair = _parsed(model, head_crop(portrait).pixels)
        portrait.cache.get(HEAD_HAIR, lambda: hair)
        return logits

    return portrait.cache.get("logits", parse)


def _parsed(model: Model, pixels: Bytes, frame: float = 1.0) -> tuple[Floats, Floats]:
    """Log-odds [12, 256, 256] and the hair's matte of a picture whose side is so many of frame `head`'s.

    A piece of a hat that does not reach above the eyes, and touches hair, is hair: the parser takes dark
    hair behind a neck for one.
    """
    (logits,), (hair,) = model.parse(pixels[None])
    worn = probabilities_of(logits)[HAT]
    hat, hairy = (_blocks(one) > OWN_HAIR for one in (worn, hair))
    if hat.any():
        _, top = _in_frame(_EYES - [0, OVER_EYES * SIDE], frame)
        high = np.arange(COARSE)[:, None] * (SIDE // COARSE) < top
        low = hat & ~_reached(hat & high, hat)
        no_hat = _reached(low & dilated(hairy, 1), low)
        if no_hat.any():
            where = _repeated(no_hat, SIDE // COARSE)
            logits, hair = logits.copy(), np.where(where, np.maximum(hair, worn), hair)
            logits[HAIR] = np.where(where, np.logaddexp(logits[HAIR], logits[HAT]), logits[HAIR])
            logits[HAT] = np.where(where, NEVER, logits[HAT])
    return logits, hair


def _blocks(plane: Floats) -> Floats:
    """The largest values of blocks of a plane [256, 256]: [64, 64]."""
    step = SIDE // COARSE
    return np.asarray(plane.reshape(COARSE, step, COARSE, step).max((1, 3)), np.float32)


def _repeated(mask: Bools, times: int) -> Bools:
    """A mask with each place as so many rows and columns."""
    return mask.repeat(times, 0).repeat(times, 1)


def _reached(seed: Bools, within: Bools) -> Bools:
    """Places of `within` [64, 64] that hang together with `seed`, which is part of it."""
    joined = seed
    while True:
        # A place beside one that belongs to it belongs to it.
        more = within & dilated(joined, 1)
        if more.sum() == joined.sum():
            return joined
        joined = more


def classes_drawn(model: Model, pictures: Floats) -> Floats:
    """Probabilities of the classes in decoded faces [N, S, S, 3]: [N, 12, S, S]."""
    logits, _ = model.parse(np.stack([enlarged(one, SIDE) for one in as_bytes(pictures)]))
    return np.stack([probabilities_of(one, pictures.shape[1]) for one in logits])


def head_crop(portrait: Portrait) -> Crop:
    """A portrait's head at 256 px; cut from its photo once, before any close-up of it."""
    pixels = portrait.cache.get(
        "head crop", lambda: _crop(portrait, head_to_photo(portrait)).astype(np.float32)
    )
    return Crop(pixels.astype(np.uint8), head_to_photo(portrait), portrait.crop.inside)


def inside(portrait: Portrait) -> Floats:
    """Which pixels of the head crop lie in the photo, 0 or 1 [256, 256]."""
    return inside_photo(portrait.photo.size, head_to_photo(portrait), SIDE).astype(np.float32)


def landmarks_of(model: Model, portrait: Portrait) -> Doubles:
    """Five landmarks of a portrait in its head crop at 256 px [5, 2], located there again.

    Of a face that another edit has changed, and of one that was put on the frame by others.
    """
    template = head_template(SIDE)
    box = FaceBoxes.of_landmarks(template[None]).boxes[0]

    def locate_again() -> Floats:
        pixels = head_crop(portrait).pixels
        found = locate(pixels, box, model.locate_landmarks, near=template)
        return (found if plausible(found) else template).astype(np.float32)

    return portrait.cache.get("landmarks of the head crop", locate_again).astype(np.float64)


def glasses_drawn(model: Model, picture: Floats) -> tuple[Bytes, Floats]:
    """A decoded face [S, S, 3] at the parser's size, and its probability of glasses: [256, 256]."""
    large = enlarged(as_bytes(picture), SIDE)
    logits, _ = model.parse(large[None])
    return large, share(probabilities_of(logits[0], SIDE), {"glasses"})


def glasses_seen(model: Model, portrait: Portrait) -> tuple[Bytes, Floats]:
    """A portrait's crop at the parser's size, and its probability of glasses: [256, 256]."""
    return head_crop(portrait).pixels, seen(model, portrait, {"glasses"})


def seen(model: Model, portrait: Portrait, classes: Iterable[str]) -> Floats:
    """Probability of any of some classes in a portrait's crop at the parser's size, [256, 256]."""
    return share(classes_at_256(model, portrait), classes)


def classes_at_256(model: Model, portrait: Portrait) -> Floats:
    """Probabilities of the classes in a portrait's crop at the parser's size [12, 256, 256]."""
    return portrait.cache.get(
        "parse at 256 px", lambda: probabilities_of(_logits(model, portrait), SIDE)
    )


def parse_photo(model: Model, portrait: Portrait) -> None:
    """Fill a portrait's cache with what is read from its photo: close-ups share it and take this."""
    if model.frame == FRAME and model.has_parser:
        classes_of(model, portrait)
        wide_hair(model, portrait)


def person(probabilities: Floats) -> Floats:
    """Share of the person at each pixel, from class probabilities [12, S, S]: [S, S]."""
    return np.asarray(1 - probabilities[BACKGROUND], np.float32)


def other_classes(one: Floats, other: Floats) -> Floats:
    """Where two parses [12, S, S] show other classes: 0..1, [S, S], dilated by a pixel.

    Half the sum of absolute differences of the probabilities, less what differs by chance at edges.
    """
    apart = smoothstep(np.abs(one - other).sum(0) / 2, OTHER)
    return np.asarray(np.minimum(1, 2 * box_mean(apart, 1)), np.float32)


def unchanged(one: Floats, other: Floats) -> Floats:
    """Where two parses [12, S, S] both show skin, or both show hair: 0..1, [S, S]."""
    return np.asarray(sum(share(one, own) * share(other, own) for own in COLOURED), np.float32)


def replaced(region: Region, photo: Floats, first: Floats, last: Floats) -> Floats:
    """Where the drawing replaces a region's `whole` classes, 0..1 [S, S]: around them in any parse.

    `photo`, `first`, `last`: class probabilities [12, S, S] of the crop and of the drawings before and
    after. The more the drawings' shapes differ, the nearer to 1.
    """
    if not region.whole:
        return np.zeros_like(photo[0])
    shares = [share(one, region.whole) for one in (photo, first, last)]
    chosen = [CLASSES.index(name) for name in sorted(region.whole)]
    apart = np.abs(last[chosen] - first[chosen]).sum() / max(float(shares[1].sum()), 1.0)
    amount = smoothstep(apart, RESHAPED)
    around = grown(np.max(shares, axis=0), AROUND_WHOLE)
    soft = box_mean(around, max(1, round(AROUND_WHOLE * photo.shape[1] / 2)))
    return np.asarray(amount * soft, np.float32)


def broad_tone(
    regions: Sequence[Region], difference: Floats, first: Floats, last: Floats
) -> Floats | float:
    """The broad change of the skin's tone in a difference of drawings [S, S, 3], where it is to stay out.

    `first`, `last`: class probabilities [12, S, S] of both drawings. 0 where a region takes it.
    """
    if not all(one.tone for one in regions):
        return 0.0
    reach = round(max(one.tone for one in regions) * difference.shape[1])
    weight = share(first, {"skin"}) * share(last, {"skin"}) + LEAST_SKIN
    planes = [difference[..., c] * weight for c in range(3)]
    total, *broad = (box_mean(box_mean(one, reach), reach) for one in (weight, *planes))
    # A beard that the drawing loses does not darken the teeth beside it.
    elsewhere = 1 - share(last, frozenset().union(*(one.whole for one in regions)))
    return np.stack(broad, 2) * (elsewhere / total)[..., None]


def region_mask(region: Region, photo: Floats, drawing: Floats) -> Floats:
    """Where an edit may change a crop, 0..1 [S, S], falling to 0 at the region's rim.

    `photo`, `drawing`: class probabilities [12, S, S] of the crop and of the edited drawing.
    """
    size = photo.shape[1]
    one, other = share(photo, region.classes), share(drawing, region.drawn)
    mask = np.maximum(one, other) if region.where == EITHER else np.minimum(one, other)
    mask = grown(mask, region.grown)
    if region.unspread:
        new = share(drawing, region.unspread) * (1 - share(photo, region.unspread))
        mask = np.minimum(mask, 1 - box_mean(grown(smoothstep(new, SPREAD), STRAY), 2))
    # The rim of what may not change lies inside the region, so that nothing beyond it is touched.
    mask = np.minimum(mask, share(photo, region.within))
    soft = np.clip(2 * box_mean(mask, max(1, size // 64)) - 1, 0, 1) * mask
    down, across = rows_mask(size, region.rows), rows_mask(size, region.columns).T
    return np.asarray(soft * down * across, np.float32)


def uncovered(region: Region, photo: Floats) -> Floats:
    """Where a region's classes may give way to the background, 0..1 [S, S], with a soft rim."""
    if not region.uncovers:
        return np.zeros_like(photo[0])
    around = box_mean(share(photo, region.classes - {"background"}), max(1, photo.shape[1] // 20))
    return np.asarray(np.clip(6 * around, 0, 1), np.float32)


def hair_box(model: Model, portrait: Portrait) -> Box | None:
    """Rectangle x0, y0, x1, y1 of the photo (half-open) with all of a person's hair; None for none."""
    rows, columns = np.nonzero(wide_hair(model, portrait))
    if not len(rows):
        return None
    x, y = ((one.min() - AROUND, one.max() + AROUND) for one in (columns, rows))
    return box_in_photo(wide_to_photo(portrait), x, y, portrait.photo.size)


def head_hair(model: Model, portrait: Portrait) -> Floats:
    """Matte of hair in the frame `head` [256, 256]; computed together with the classes."""
    classes_of(model, portrait)
    # Computed again where the cache, which drops its oldest entries, has kept the classes alone.
    return portrait.cache.get(HEAD_HAIR, lambda: _parsed(model, head_crop(portrait).pixels)[1])


def own_head_hair(model: Model, portrait: Portrait) -> Floats:
    """Matte of the person's own hair in the frame `head` [256, 256]."""
    return head_hair(model, portrait) * _shared(wide_hair(model, portrait))


def wide_hair(model: Model, portrait: Portrait) -> Floats:
    """Matte of the person's own hair in the frame `portrait` [256, 256]; computed once."""

    def parse() -> Floats:
        _, hair = _parsed(model, wide_crop(portrait), WIDE)
        # A thin side is seen in the head's frame alone.
        quarter = SIDE // 4
        middle = hair[quarter:-quarter, quarter:-quarter]
        closer = head_hair(model, portrait).reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
        np.maximum(middle, closer, out=middle)
        return _own(smoothstep(hair, MATTE) * hair, portrait)

    return portrait.cache.get(WIDE_HAIR, parse)


def wide_crop(portrait: Portrait) -> Bytes:
    """The photo in the frame `portrait` at 256 px, [256, 256, 3].

    Cut from its photo once, before any close-up of it.
    """
    pixels = portrait.cache.get(
        "wide crop", lambda: _crop(portrait, wide_to_photo(portrait)).astype(np.float32)
    )
    return pixels.astype(np.uint8)


def _own(hair: Floats, portrait: Portrait) -> Floats:
    """A matte [256, 256] of the frame `portrait` without what is nearer to another head, or apart."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    places = np.stack([across, down], -1).astype(np.float64)
    eyes = head_template(SIDE)[:2]
    own = np.array([*_in_frame(eyes.mean(0)), np.linalg.norm(eyes[1] - eyes[0]) / WIDE])
    distance = head_distance(places, own)
    scale = SIDE / portrait.crop.pixels.shape[0]
    for other in portrait.others:
        middle = _in_frame(apply(scaling(scale, scale), other[:2]))
        theirs = head_distance(places, np.array([*middle, other[2] * scale / WIDE]))
        hair = hair * smoothstep(theirs / np.maximum(distance, 1e-6), APART)
    step = SIDE // COARSE
    small = _blocks(hair) > OWN_HAIR
    joined = _reached(small & (distance[step // 2 :: step, step // 2 :: step] < 1), small)
    return np.asarray(hair * _repeated(dilated(joined, 1), step), np.float32)


def _shared(wide: Floats) -> Floats:
    """Where the head frame may have hair, from the own hair of the frame `portrait`: 0 or 1, [256, 256].

    Thin strands are lost in the coarser frame, so hair near its hair counts too.
    """
    quarter = SIDE // 4
    middle = wide[quarter:-quarter, quarter:-quarter]
    return np.asarray(_repeated(dilated(middle > 0, 4), 2), np.float32)


def probabilities_of(logits: Floats, side: int = SIDE) -> Floats:
    """Logits [12, 256, 256] -> probabilities [12, side, side]."""
    step = SIDE // side
    # Sums of slices: a mean over two axes of five takes ten times as long.
    parts = [logits[:, i::step, j::step] for i in range(step) for j in range(step)]
    small = sum(parts[1:], parts[0]) / len(parts)
    powers = np.exp(small - small.max(0))
    return np.asarray(powers / powers.sum(0), np.float32)


def _crop(portrait: Portrait, to_photo: Affine) -> Bytes:
    """The photo under a map to its pixels [256, 256, 3]."""
    return warp(portrait.photo.flattened, to_photo, SIDE)


def head_to_photo(portrait: Portrait) -> Affine:
    """Pixel of the parser's crop of the frame `head` -> photo pixel."""
    step = portrait.crop.pixels.shape[0] / SIDE
    return compose(portrait.crop.to_photo, scaling(step, step))


def wide_to_photo(portrait: Portrait) -> Affine:
    """Pixel of the parser's crop of the frame `portrait` -> photo pixel."""
    middle = np.full(2, (SIDE - 1) / 2)
    return compose(head_to_photo(portrait), similarity(WIDE, 0.0, middle, middle))


def _in_frame(point: Sequence[float] | Doubles, frame: float = WIDE) -> Doubles:
    """A point of the parser's crop of the frame `head` in that of a frame so many times as wide."""
    middle = (SIDE - 1) / 2
    return np.asarray(middle + (np.asarray(point) - middle) / frame)
