"""Laws of models: every part is checked once, when the bundle is opened, against the code space."""

import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facedial.changes import change, flow_edit
from facedial.codes.code import Code
from facedial.editing.directions import Directions
from facedial.editing.request import Edit
from facedial.editing.table import FAST, EditMethod
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, CodeSpaceMismatch
from facedial.generation import prior_of
from facedial.model import DEPENDENT, DIRECTIONS, PRIOR, Model
from facedial.priors.gaussian import GaussianPrior
from facedial.runtime import bundle

OTHER = "fd1024-0000000000"
PARTS = ("sharp", "flow", "guide", "student", "moves")
Variant = Callable[..., Path]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    opened = Model.open()
    yield opened
    opened.close()


@pytest.fixture
def variant(tmp_path: Path) -> Variant:
    """Makes a bundle of links to the packaged one's files, with other facts and other files."""

    def made(
        parts: dict[str, dict[str, Any]] | None = None, files: dict[str, Path] | None = None
    ) -> Path:
        source, folder = bundle.home() / bundle.DEFAULT, tmp_path / "variant"
        folder.mkdir()
        facts = json.loads((source / "bundle.json").read_text())
        for part, changed in (parts or {}).items():
            facts["parts"][part] |= changed
        for name, path in (files or {}).items():
            (folder / name).symlink_to(path)
            facts["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source.iterdir():
            if path.name not in {"bundle.json", *(files or {})}:
                (folder / path.name).symlink_to(path)
        (folder / "bundle.json").write_text(json.dumps(facts))
        return folder

    return made


def code(model: Model) -> Code:
    rng = np.random.default_rng(0)
    return Code(rng.standard_normal(model.dimensions).astype(np.float32), model.space)


def test_the_packaged_model_uses_every_part(model: Model) -> None:
    assert model.left_out == frozenset()
    assert model.has_flow and model.has_weak_flow and model.has_distilled_editor
    assert model.has_gan_decoder and model.has_parser and not model.needs_attributes
    assert (model.side, model.dimensions, model.frame, model.needs_face) == (
        128,
        1024,
        "head",
        True,
    )
    assert model.directions.space == model.space == model.bundle.facts["space"]
    assert model.packaged is model.bundle
    assert model.edit_table.methods and model.masks.maps
    assert set(model.classifier_auc()) == set(model.flow_attributes())


def test_every_part_is_covered_here() -> None:
    """The prior, whose own file names its code space, has its test below."""
    assert {*PARTS, "prior"} == set(DEPENDENT)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_another_code_space_is_refused_by_name(variant: Variant, part: str) -> None:
    path = variant({part: {"of": OTHER}})
    message = f"the {DEPENDENT[part]} in variant was made for codes of {OTHER}, its autoencoder"
    with pytest.raises(CodeSpaceMismatch, match=message):
        Model.open(path)
    with pytest.raises(CodeSpaceMismatch, match=message):
        Editor.open(path)


@pytest.mark.parametrize("part", PARTS)
def test_where_not_strict_a_part_of_another_code_space_is_left_out(
    variant: Variant, part: str
) -> None:
    opened = Model.open(variant({part: {"of": OTHER}}), strict=False)
    assert opened.left_out == {part}
    assert not opened.has(part)
    assert all(opened.has(other) for other in PARTS if other not in (part, "moves"))
    assert bool(opened.edit_table.methods) == bool(opened.masks.maps) == (part != "moves")


def test_without_a_gan_decoder_pictures_are_those_of_the_mse_decoder(variant: Variant) -> None:
    opened = Model.open(variant({"sharp": {"of": OTHER}}), strict=False)
    values = code(opened).values[None]
    assert not opened.has_gan_decoder
    assert np.array_equal(opened.decode(values), opened.decode_mse(values))
    opened.close()


def test_without_a_flow_the_prior_is_gaussian_and_edits_by_the_flow_are_refused(
    variant: Variant,
) -> None:
    opened = Model.open(variant({"flow": {"of": OTHER}}), strict=False)
    assert prior_of(opened).name == "gaussian"
    for refused in (
        lambda: prior_of(opened, "learned"),
        lambda: flow_edit(opened, EditMethod()),
        lambda: change(opened, code(opened), Edit({"Smiling": 1}), None, method="flow"),
    ):
        with pytest.raises(BadRequest, match="the model variant has no flow"):
            refused()
    along = change(opened, code(opened), Edit({"Smiling": 1}), None, method="direction")
    assert along.after is not along.before


def test_without_weak_flow_or_distilled_editor_the_flow_is_used_alone(variant: Variant) -> None:
    parts = {"guide": {"of": OTHER}, "student": {"of": OTHER}}
    opened = Model.open(variant(parts), strict=False)
    assert not opened.has_weak_flow and not opened.has_distilled_editor
    assert prior_of(opened).weak_velocity is None  # type: ignore[attr-defined]
    assert flow_edit(opened, EditMethod(), FAST).distilled is None


def test_directions_of_another_model_are_refused(
    variant: Variant, model: Model, tmp_path: Path
) -> None:
    made = Directions.load(model.bundle.file(DIRECTIONS))
    other = Directions(made.names, OTHER, made.unit, made.read_weights, made.read_bias, made.sd)
    other.save(tmp_path / "other.npz")
    path = variant(files={DIRECTIONS: tmp_path / "other.npz"})
    for strict in (True, False):
        with pytest.raises(CodeSpaceMismatch, match=f"the directions belong to {OTHER}, the model"):
            Model.open(path, strict=strict)


def test_a_gaussian_prior_of_another_model_is_refused_or_left_out(
    variant: Variant, model: Model, tmp_path: Path
) -> None:
    made = GaussianPrior.load(model.bundle.file(PRIOR))
    other = GaussianPrior(OTHER, made.names, made.label_mean, made.cross, made.rest)
    other.save(tmp_path / "other.npz")
    path = variant(files={PRIOR: tmp_path / "other.npz"})
    with pytest.raises(CodeSpaceMismatch, match="the Gaussian prior in variant"):
        Model.open(path)
    opened = Model.open(path, strict=False)
    assert opened.left_out == {"prior"}
    with pytest.raises(BadRequest, match="the model variant has no Gaussian prior"):
        prior_of(opened, "gaussian")
    assert prior_of(opened).name == "learned"


@pytest.mark.parametrize("name", [PRIOR, DIRECTIONS, "places.npz"])
def test_a_damaged_file_is_a_bad_bundle_when_it_is_opened(
    variant: Variant, tmp_path: Path, name: str
) -> None:
    (tmp_path / "damaged.npz").write_bytes(b"not an archive")
    with pytest.raises(BadBundle, match=f"cannot read .* from .*{name}"):
        Model.open(variant(files={name: tmp_path / "damaged.npz"}))


@pytest.mark.parametrize("fact", ["space", "side", "dimensions"])
def test_a_bundle_that_lacks_a_fact_is_a_bad_bundle_when_it_is_opened(
    variant: Variant, fact: str
) -> None:
    path = variant()
    facts = json.loads((path / "bundle.json").read_text())
    del facts[fact]
    (path / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(BadBundle, match=f"states no {fact}"):
        Model.open(path)


def test_a_model_without_landmarks_matte_or_classifier_borrows_the_packaged_ones() -> None:
    opened = Model.open("cvae")
    assert opened.packaged.name == bundle.DEFAULT and opened.packaged is not opened.bundle
    assert opened.has_parser and not opened.bundle.has("parser")
    assert opened.holder("reader") is opened.packaged
    assert opened.holder("autoencoder-encode") is opened.bundle
    assert opened.needs_attributes and not opened.has_flow
    opened.close()


def test_codes_of_another_model_or_size_are_refused(model: Model) -> None:
    values = code(model).values
    model.check(Code(values, model.space))
    with pytest.raises(CodeSpaceMismatch, match=f"the code belongs to {OTHER}, the model to"):
        model.check(Code(values, OTHER))
    with pytest.raises(BadRequest, match="has 1024 numbers, found 3"):
        model.check(Code(values[:3], model.space))
    with pytest.raises(CodeSpaceMismatch):
        model.decode_bytes([Code(values, OTHER)])
    with pytest.raises(CodeSpaceMismatch):
        change(model, Code(values, OTHER), Edit({"Smiling": 1}), None, method="direction")


def test_a_pickled_model_is_small_and_computes_the_same(model: Model) -> None:
    values = code(model).values[None]
    pictures = model.decode(values)
    data = pickle.dumps(model)
    assert len(data) < 5_000_000  # directions and masks, but no weights
    copy = pickle.loads(data)  # noqa: S301
    assert copy.packaged is copy.bundle
    assert np.array_equal(copy.decode(values), pictures)
    copy.close()
