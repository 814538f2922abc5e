"""Looks: the most wanted edits, each ready to be taken with one click.

A look is a row of `LOOKS`; page and API show what is listed there.
"""

from dataclasses import dataclass

from facedial import parsing
from facedial.composing import recolours_hair
from facedial.editing.implied import COLOURS
from facedial.editing.request import Edit
from facedial.editing.table import FAST
from facedial.editor import Editor
from facedial.errors import BadRequest, FacedialError
from facedial.portrait import Portrait

# On the scale of targets: a face that is nearer to all targets of a look has it already.
NEAR = 0.25


@dataclass(frozen=True, slots=True)
class Look:
    """An edit with a name for programs and a label for people."""

    name: str
    label: str
    edit: Edit

    @property
    def is_hair_colour(self) -> bool:
        """Whether this look is a colour of hair and nothing else."""
        targets = self.edit.targets.keys()
        return targets <= set(COLOURS) and bool(targets or self.edit.recolours)


LOOKS: tuple[Look, ...] = (
    Look("smile", "Smile", Edit({"Smiling": 1})),
    Look("no-smile", "No smile", Edit({"Smiling": 0})),
    Look("closed-mouth", "Closed mouth", Edit({"Mouth_Slightly_Open": 0})),
    Look("glasses", "Clear glasses", Edit({"Eyeglasses": 1})),
    Look("sunglasses", "Sunglasses", Edit({"Eyeglasses": 1}, lens_darkness=1)),
    Look("no-glasses", "No glasses", Edit({"Eyeglasses": 0})),
    Look("black-hair", "Black hair", Edit({"Black_Hair": 1})),
    Look("brown-hair", "Brown hair", Edit({"Brown_Hair": 1})),
    Look("blond-hair", "Blond hair", Edit({"Blond_Hair": 1})),
    Look("grey-hair", "Grey hair", Edit({"Gray_Hair": 1})),
    Look("red-hair", "Red hair", Edit(hair_colour="#7a3318")),
    Look("beard", "Beard", Edit({"No_Beard": 0})),
    Look("moustache", "Moustache", Edit({"Mustache": 1})),
    Look("stubble", "Stubble", Edit({"5_o_Clock_Shadow": 1})),
    Look("no-beard", "No beard", Edit({"No_Beard": 1})),
    Look("older", "Older", Edit({"Young": 0})),
    Look("old-and-grey", "Old and grey", Edit({"Young": 0, "Gray_Hair": 0.6})),
    Look("younger", "Younger", Edit({"Young": 1})),
    Look("make-up", "Make-up", Edit({"Heavy_Makeup": 1})),
    Look("bald", "Bald", Edit({"Bald": 1})),
    Look("fringe", "Fringe", Edit({"Bangs": 1})),
    Look("cap", "Knitted cap", Edit({"Wearing_Hat": 1})),
)


def look(name: str) -> Look:
    """The look of that name; raises `BadRequest`."""
    for one in LOOKS:
        if one.name == name:
            return one
    raise BadRequest(f"no look named {name!r}; known: {', '.join(one.name for one in LOOKS)}")


def unavailable(editor: Editor, portrait: Portrait, one: Look) -> str | None:
    """Why a portrait cannot be given a look, in a sentence; None where it can."""
    try:
        editor.check(one.edit, quality=FAST)
    except FacedialError as error:
        return str(error)
    targets, current = one.edit.targets, editor.current_values(portrait)
    # A face with glasses can still be given dark lenses.
    if (
        targets
        and not one.edit.lens_darkness
        and all(abs(target - current[name]) < NEAR for name, target in targets.items())
    ):
        return "the face looks like this already"
    model = editor.model
    if one.is_hair_colour and recolours_hair(model) and parsing.hair_box(model, portrait) is None:
        return "no hair is seen in the photo"
    return None
