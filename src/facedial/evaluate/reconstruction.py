"""Reconstruction from codes: PSNR (mean of dB over pictures) and SSIM, beside PCA."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.code import Code
from facedial.data.store import Store
from facedial.evaluate._context import SPLITS, EvaluationContext, blocks, evenly
from facedial.evaluate._rows import Goal, Picture, Row
from facedial.faces import sheet
from facedial.strips import companded

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
SHOWN = 12
PREFIXES = (64, 256, 512)  # leading numbers of a code that are kept
PREFIX_ROWS = 500

GOALS = (
    Goal("psnr_gain", must=2.0, aim=3.0, data="celeba-head-head/unseen"),
    Goal("psnr_drop_to_unseen", must=0.6, aim=0.3, lower=True),
    Goal("byte_loss_db", must=0.2, aim=0.05, lower=True),
)


def _reconstructions(context: EvaluationContext, crops: Bytes) -> dict[str, Bytes]:
    """Model name -> reconstruction uint8 [N, S, S, 3] of crops uint8 [N, S, S, 3]."""
    model, pca = context.editor.model, context.pca()
    codes = model.encode(crops)
    rounded = np.stack([companded(Code(row, model.space)).values for row in codes])
    return {
        "facedial": sheet.as_bytes(model.decode_mse(codes)),
        "facedial-bytes": sheet.as_bytes(model.decode_mse(rounded)),
        "pca-1024": sheet.as_bytes(pca.decode(pca.encode(crops))),
    }


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`psnr`, `ssim`, `psnr_gain`, `byte_loss_db`, `psnr_drop_to_unseen`, `prefix_gain`.

    `psnr_gain`: over PCA of as many components. `byte_loss_db`: loss by rounding codes to 8 bits a
    number. `psnr_drop_to_unseen`: training people minus unseen people. `prefix_gain`: gain over
    PCA of 64, 256 or 512 components if only as many leading numbers of a code are kept.
    """
    for store in context.head:
        means: dict[str, Doubles] = {}  # PSNR of each group: of all photos, then of each draw
        count = 0
        for group in SPLITS:
            rows, data = context.rows(store, group), context.data(store, group)
            if len(rows) == 0:
                continue
            people = store.person[rows]
            found: dict[str, list[tuple[Doubles, Doubles]]] = {}
            for block in blocks(store, rows, 64):
                for name, drawn in _reconstructions(context, block).items():
                    pair = scores.psnr(block, drawn), scores.ssim(block, drawn)
                    found.setdefault(name, []).append(pair)
            psnr: dict[str, Doubles] = {}
            for name, pairs in found.items():
                psnr[name], ssim = (np.concatenate(part) for part in zip(*pairs, strict=True))
                yield Row.of("psnr", name, data, psnr[name], "dB", people)
                yield Row.of("ssim", name, data, ssim, "", people)
            gain = psnr["facedial"] - psnr["pca-1024"]
            yield Row.of("psnr_gain", "facedial", data, gain, "dB over pca-1024", people)
            loss = psnr["facedial"] - psnr["facedial-bytes"]
            yield Row.of("byte_loss_db", "facedial", data, loss, "dB", people)
            # Another seed for each group: they are different people.
            again = scores.mean_draws(psnr["facedial"], people, seed=len(means))
            means[group] = np.array([psnr["facedial"].mean(), *again])
            count += len(rows)
            if group == "unseen":
                yield from _prefixes(context, store, evenly(rows, PREFIX_ROWS), data)
        if len(means) == len(SPLITS):
            drop, *drops = means["train"] - means["unseen"]
            low, high = scores.percentiles(np.array(drops))
            data = f"{store.path.name}-{store.frame}"
            yield Row("psnr_drop_to_unseen", "facedial", data, float(drop), "dB", count, low, high)


def _prefixes(
    context: EvaluationContext, store: Store, rows: NDArray[np.int64], data: str
) -> Iterator[Row]:
    model, pca = context.editor.model, context.pca()
    gains: dict[int, list[Doubles]] = {kept: [] for kept in PREFIXES}
    for block in blocks(store, rows, 64):
        codes, components = model.encode(block), pca.encode(block)
        for kept in sorted(PREFIXES, reverse=True):
            codes[:, kept:] = 0
            components[:, kept:] = 0
            ours, theirs = (
                scores.psnr(block, sheet.as_bytes(drawn))
                for drawn in (model.decode_mse(codes), pca.decode(components))
            )
            gains[kept].append(ours - theirs)
    for kept, found in gains.items():
        gain = np.concatenate(found)
        unit = f"dB over pca-{kept}"
        yield Row.of("prefix_gain", "facedial", f"{data}/{kept}", gain, unit, store.person[rows])


def show(context: EvaluationContext) -> Iterator[Picture]:
    """Crop, PCA-1024 and facedial, a row each, of unseen people of each store."""
    for store in context.head:
        rows = context.rows(store, "unseen")
        if len(rows) == 0:
            continue
        chosen = evenly(rows, SHOWN)
        crops = store.pixels[chosen]
        drawn = _reconstructions(context, crops)
        lines = [*crops, *drawn["pca-1024"], *drawn["facedial"]]
        title = f"{context.data(store, 'unseen')}: crop, PCA-1024, facedial"
        yield Picture(title, sheet.grid(lines, len(crops)))
