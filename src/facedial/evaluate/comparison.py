"""Comparison of several models on the same photos and the same targets, with one judge."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.attributes import NAMES
from facedial.data.judging import judged
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.evaluate._conditional import (
    REQUESTED,
    TARGET_SETS,
    conditional_success,
    targets_text,
)
from facedial.evaluate._context import UNSEEN, EvaluationContext, evenly
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Goal, Picture, Row, Sample
from facedial.faces import sheet
from facedial.model import FRAME, SHARED
from facedial.priors.uniform import RAW

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

SHOWN = 10
TIMED = 20
SIDE = 64

GOALS = (Goal("conditional_success", must=0.88, aim=0.95, model="cvae"),)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Reconstruction, generation, conditional generation and costs of each of `context.models`.

    Without `context.models` there are no rows. Pictures are compared at `SIDE` px, larger ones are
    downsampled. `perceptual`, `frechet_ratio`, `diversity` (total variance of features over that of
    real faces) and `conditional_success` use the judge; real and generated sets have equal counts.
    """
    if not context.models:
        return
    stores = [store for store in context.stores if store.frame == FRAME]
    store = next((s for s in stores if np.isin(s.attributes[judged(s)], (0.0, 1.0)).all()), None)
    if store is None or len(judged(store)) == 0:
        raise BadRequest(
            "a comparison needs a store of the head frame with manual attribute labels (CelebA) of its "
            "test people; add one"
        )
    if context.judge is None:
        raise BadRequest(
            "a comparison needs a judge; train the recipe judge and name its bundle as the judge"
        )
    judge = Judge(context.judge)
    yield from _judge_accuracy(judge, store, context)
    rows = evenly(judged(store), context.most)
    crops, data = store.pixels[rows], f"{store.path.name}-{store.frame}/judged"
    count = min(context.most, len(store.where("train")) // 2)
    train = store.where("train")
    real = [_at(store.pixels[evenly(part, count)], SIDE) for part in (train[::2], train[1::2])]
    real_features = [judge.features(part) for part in real]
    baseline = scores.frechet(*real_features)
    yield Row("frechet_floor", "photos", data, baseline, "", count)
    real_variance = float(np.trace(np.cov(real_features[0], rowvar=False)))
    sharp = float(scores.sharpness(_at(crops, SIDE)).mean())
    for name, path in context.models.items():
        with Editor.open(path) as editor:
            yield from _reconstruction(editor, name, data, crops, judge, sharp, store.person[rows])
            codes = editor.generate(count, seed=context.seed)
            drawn = _at(editor.decode(codes), SIDE)
            features = judge.features(drawn)
            ratio = scores.frechet(features, real_features[0]) / baseline
            yield Row("frechet_ratio", name, "random", ratio, "of real against real", count)
            share = float(np.trace(np.cov(features, rowvar=False))) / real_variance
            yield Row("diversity", name, "random", share, "of real faces' variance", count)
            ratios = scores.sharpness(drawn) / sharp
            yield Row.of("sharpness_ratio", name, "random", ratios, "of real crops")
            yield from conditional_success(editor, name, judge, context, "new/faces", SIDE)
            yield from _costs(editor, name)


def _judge_accuracy(judge: Judge, store: Store, context: EvaluationContext) -> Iterator[Row]:
    """Balanced accuracy of the judge on photos of people it has not seen."""
    rows = evenly(judged(store), context.most)
    predicted, truth = judge.predict(_at(store.pixels[rows], SIDE)), store.attributes[rows] > 0.5
    data = f"{store.path.name}-{store.frame}/judged"
    right, people = (predicted > 0.5) == truth, store.person[rows]
    balanced: list[Sample] = []
    for name in REQUESTED:
        k = NAMES.index(name)
        sides = [Sample(right[own, k], people[own]) for own in (truth[:, k], ~truth[:, k])]
        balanced += sides
        yield Row.over("judge_accuracy", "photos", f"{data}/{name}", "balanced", sides)
    mean = Row.over("judge_accuracy", "photos", data, "balanced, mean over attributes", balanced)
    yield dataclasses.replace(mean, n=len(rows))


def _reconstruction(
    editor: Editor,
    name: str,
    data: str,
    crops: Bytes,
    judge: Judge,
    sharp: float,
    people: NDArray[np.str_],
) -> Iterator[Row]:
    drawn = _reconstructed(editor, crops)
    small = _at(crops, SIDE)
    yield Row.of("psnr", name, data, scores.psnr(small, drawn), "dB", people)
    yield Row.of("ssim", name, data, scores.ssim(small, drawn), "", people)
    yield Row.of("perceptual", name, data, judge.distance(drawn, small), "", people)
    ratios = scores.sharpness(drawn) / sharp
    yield Row.of("sharpness_ratio", name, data, ratios, "of real crops", people)


def _costs(editor: Editor, name: str) -> Iterator[Row]:
    bundle = editor.model.bundle
    macs, parameters = 0, 0
    for graph in ("autoencoder-encode", "autoencoder-decode"):
        stated = bundle.costs(graph)
        if stated is not None:
            macs += stated[0]
            parameters = max(parameters, stated[1])
    if macs:
        yield Row("macs", name, "encode and decode", macs / 1e9, "GMAC", 1)
    if parameters:
        yield Row("parameters", name, "", parameters / 1e6, "million", 1)
    for kind, part in bundle.facts["parts"].items():
        if kind in (*SHARED, "flow"):
            continue
        nats = part.get("scores", {}).get("kl_nats")
        if nats is not None:
            yield Row("kl", name, "val", nats, "nats a picture", 1)
            yield Row("active_numbers", name, "val", part["scores"]["active"], "of the code", 1)
        settings = part.get("settings", {})
        optim = settings.get("optim", settings.get("pace"))  # `pace`: bundles of before 0.2
        if "seconds" in part and "step" in part and optim:
            seen = part["step"] * optim["batch"]
            yield Row("train_per_s", name, "", seen / part["seconds"], "pictures/s", part["step"])
    codes = np.stack([code.values for code in editor.generate(TIMED, seed=0)])
    editor.model.decode_mse(codes[:1])
    start = time.perf_counter()
    for row in codes:
        editor.model.decode_mse(row[None])
    per_s = TIMED / (time.perf_counter() - start)
    yield Row("decode_per_s", name, "one by one", per_s, "pictures/s", TIMED)


def show(context: EvaluationContext) -> Iterator[Picture]:
    """Reconstructions, random faces, ten sets of targets and uniform codes, one row for each model."""
    if not context.models:
        return
    store = next(s for s in context.stores if s.frame == FRAME)
    rows = evenly(judged(store), SHOWN) if len(judged(store)) else store.where(UNSEEN)[:SHOWN]
    crops = store.pixels[rows]
    reconstructed, random, uniform, targeted = [list(_at(crops, SIDE))], [], [], []
    names, conditional, plain = [], [], []
    for name, path in context.models.items():
        with Editor.open(path) as editor:
            names.append(name)
            reconstructed.append(list(_reconstructed(editor, crops)))
            random.append(list(_drawn(editor, context.seed)))
            if editor.model.bundle.has_file(RAW):
                plain.append(name)
                codes = editor.generate(SHOWN, seed=context.seed, prior="uniform")
                uniform.append(list(_at(editor.decode(codes), SIDE)))
            if "latent" in next(iter(editor.model.bundle.facts["parts"].values())):
                conditional.append(name)
                targeted.append(
                    [
                        _drawn(editor, context.seed + i, targets, 1)[0]
                        for i, targets in enumerate(TARGET_SETS)
                    ]
                )
    yield Picture("photos; reconstructions of " + ", ".join(names), _sheet(reconstructed))
    yield Picture("new faces, fitted priors: " + ", ".join(names), _sheet(random))
    if uniform:
        title = "codes drawn uniformly from [0, 1), as the first source draws them: "
        yield Picture(title + ", ".join(plain), _sheet(uniform))
    if targeted:
        yield Picture(f"targets ({targets_text()}): " + ", ".join(conditional), _sheet(targeted))


def _drawn(
    editor: Editor, seed: int, targets: Mapping[str, float] | None = None, count: int = SHOWN
) -> Bytes:
    known = editor.prior().names
    used = {name: value for name, value in (targets or {}).items() if name in known}
    return _at(editor.decode(editor.generate(count, seed=seed, targets=used)), SIDE)


def _reconstructed(editor: Editor, crops: Bytes) -> Bytes:
    """Reconstructions uint8 [N, SIDE, SIDE, 3] of crops uint8 [N, S, S, 3]."""
    model = editor.model
    given = _at(crops, model.side)
    # Attributes are predicted at full size, whatever the model's size.
    attributes = model.predict_attributes(crops) if model.needs_attributes else None
    drawn = model.decode_mse(model.encode(given, attributes))
    return _at(sheet.as_bytes(drawn), SIDE)


def _sheet(lines: Sequence[Sequence[Bytes]]) -> Bytes:
    pictures = [sheet.resized(picture, (96, 96)) for line in lines for picture in line]
    return sheet.grid(pictures, len(lines[0]))


def _at(pictures: Bytes, side: int) -> Bytes:
    """Pictures [N, S, S, 3] as [N, side, side, 3]: means of blocks, or pixels repeated."""
    factor = side // pictures.shape[1]
    if factor > 1:
        return pictures.repeat(factor, 1).repeat(factor, 2)
    return sheet.shrunk(pictures, side)
