"""Which classes of a parsed head each attribute may change.

One table for compositing, for the overlay that shows a region, and for the figure `spill`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from facedial.codes.attributes import NAMES
from facedial.faces.parse import CLASSES

# Where a class has to be seen: in the photo and in the drawing, or in one of them.
BOTH, EITHER = "both", "either"
# Rows, as shares of a head crop's side.
ABOVE_BROWS, BELOW_EYES, ON_NOSE = 0.38, 0.53, 0.58


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """`classes`: what may change where the photo shows it; `drawn`: where the edited drawing does.

    `where`: `BOTH` or `EITHER`. `within`: classes of the photo outside which nothing changes. `grown`:
    share of the side by which the region is dilated. `rows`, `columns`: the first and the last that may
    change, as shares of the side. `changed`: whether only what the drawing changes much counts.
    `uncovers`: whether background may appear where the person was. `whole`: classes that the drawing
    replaces as a whole once their shape changes. `unspread`: classes that the drawing does not show
    where the photo has none. `tone`: share of the side; changes of the skin's tone that are broader stay
    the photo's (0: none). `adds_hair`: whether what darkens the face is hair over its skin.
    `recolours`: whether skin and hair may take another hue. `spares_nose`: whether the nose stays.
    `shaves`: whether what brightens the jaw is skin that a beard leaves bare.
    `own_hair`: whether hair that comes has the colour of the hair that is there.
    `rim`: share of the side around what gives way to another class that gives way with it, as strands at
    the rim of hair.
    """

    classes: frozenset[str]
    drawn: frozenset[str]
    where: str = BOTH
    within: frozenset[str] = frozenset(CLASSES)
    grown: float = 0.0
    rows: tuple[float, float] = (0.0, 1.0)
    columns: tuple[float, float] = (0.0, 1.0)
    changed: bool = False
    uncovers: bool = False
    whole: frozenset[str] = frozenset()
    unspread: frozenset[str] = frozenset()
    tone: float = 0.0
    adds_hair: bool = False
    recolours: bool = False
    spares_nose: bool = False
    shaves: bool = False
    own_hair: bool = False
    rim: float = 0.0

    @property
    def allowed(self) -> frozenset[str]:
        """Classes that may be changed at all."""
        background = {"background"} if self.uncovers else set()
        return ((self.classes | self.drawn) & self.within) | background


def _both(
    *classes: str,
    drawn: Iterable[str] | None = None,
    rows: tuple[float, float] = (0.0, 1.0),
    whole: Iterable[str] = (),
    tone: float = 0.0,
) -> Region:
    own = frozenset(classes)
    return Region(
        classes=own,
        drawn=own if drawn is None else frozenset(drawn),
        rows=rows,
        whole=frozenset(whole),
        tone=tone,
    )


FACE = ("skin", "brows", "eyes", "glasses", "mouth", "lips")
# Without glasses: whoever is to be older keeps the pair he or she wears.
_HEAD = ("skin", "brows", "eyes", "mouth", "lips", "ears", "neck", "hair")
# Half a new mouth over half the old one shows lips as a ghost between teeth.
_LIPS = ("mouth", "lips")
# A drawing that smiles or is older has another nose, by which the person would be another.
_MOUTH = replace(
    _both("skin", *_LIPS, rows=(ON_NOSE, 1.0), whole=_LIPS, tone=0.05), spares_nose=True
)
# The drawing's mouth may have another shape, and a beard is to change none.
JAW = _both(
    "skin",
    "neck",
    drawn=("skin", "neck", "hair"),
    rows=(BELOW_EYES, 1.0),
)
_BEARD = replace(JAW, adds_hair=True, shaves=True)
_EYES = _both("skin", "brows", "eyes", "glasses", rows=(ABOVE_BROWS, 0.65))
_TONE = replace(_both("skin", "ears", "neck", "lips", "glasses"), recolours=True)
# A drawing's thin rims are seldom parsed as glasses everywhere, so all that changes much near glasses,
# eyes and brows may change.
_GLASSES = Region(
    classes=frozenset({"glasses", "brows", "eyes"}),
    drawn=frozenset({"glasses", "brows", "eyes"}),
    where=EITHER,
    grown=0.05,
    rim=0.06,
    within=frozenset({*FACE, "ears", "hair"}),
    rows=(ABOVE_BROWS - 0.03, 0.68),
    changed=True,
)
_HAIR = frozenset({"hair", "hat"})
_HAT = frozenset({"hat"})
_HAIRCUT = Region(
    classes=_HAIR,
    drawn=_HAIR,
    where=EITHER,
    within=frozenset({*FACE, "hair", "hat", "ears", "background"}),
    grown=0.03,
    uncovers=True,
    own_hair=True,
    rim=0.04,
)
_FRINGE = Region(
    classes=_HAIR,
    drawn=_HAIR,
    where=EITHER,
    within=frozenset({*FACE, "hair", "hat"}),
    grown=0.04,
    own_hair=True,
    rim=0.03,
    rows=(0.0, 0.6),
)
_OUTLINE = Region(
    classes=frozenset(_HEAD),
    drawn=frozenset(_HEAD),
    where=EITHER,
    within=frozenset(CLASSES) - {"glasses"},
    uncovers=True,
    grown=0.01,
)

REGIONS: Mapping[str, Region] = {
    **dict.fromkeys(
        ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"),
        replace(_both("hair"), recolours=True),
    ),
    **dict.fromkeys(("Smiling", "Mouth_Slightly_Open", "Big_Lips", "High_Cheekbones"), _MOUTH),
    **dict.fromkeys(("Goatee", "No_Beard", "5_o_Clock_Shadow"), _BEARD),
    "Double_Chin": JAW,
    # No chin beard, and no stains at the eyes, which a face that is drawn with one gets too.
    "Mustache": replace(_BEARD, rows=(0.62, 0.8), columns=(0.33, 0.67)),
    "Sideburns": _both("skin", "ears", "hair", rows=(ABOVE_BROWS, 0.85)),
    "Wearing_Lipstick": Region(
        classes=frozenset({"lips"}),
        drawn=frozenset({"lips"}),
        where=EITHER,
        within=frozenset({"skin", "mouth", "lips"}),
        grown=0.01,
    ),
    "Eyeglasses": _GLASSES,
    **dict.fromkeys(("Arched_Eyebrows", "Bushy_Eyebrows", "Narrow_Eyes", "Bags_Under_Eyes"), _EYES),
    **dict.fromkeys(("Pale_Skin", "Rosy_Cheeks"), _TONE),
    **dict.fromkeys(("Big_Nose", "Pointy_Nose"), _both("skin", "glasses", rows=(ABOVE_BROWS, 0.8))),
    "Heavy_Makeup": replace(_both(*FACE), recolours=True),
    "Oval_Face": _both(*FACE),
    # Age is in folds and hair; a drawing's broad change of the skin is another complexion, and a fringe
    # another haircut.
    "Attractive": replace(_both(*_HEAD, tone=0.1), spares_nose=True),
    "Young": replace(_both(*_HEAD, tone=0.1), unspread=frozenset({"hair"}), spares_nose=True),
    **dict.fromkeys(("Bald", "Receding_Hairline", "Straight_Hair", "Wavy_Hair"), _HAIRCUT),
    "Wearing_Hat": replace(_HAIRCUT, classes=_HAT, drawn=_HAT, grown=0.02),
    "Bangs": _FRINGE,
    "Male": replace(_OUTLINE, shaves=True),
    "Chubby": _OUTLINE,
    "Wearing_Earrings": _both("ears", "hair", "neck"),
    **dict.fromkeys(("Wearing_Necklace", "Wearing_Necktie"), _both("neck", "clothes")),
}
# Of a blurry picture, and of a learned direction, of which nothing is known.
EVERYTHING = Region(
    classes=frozenset(CLASSES),
    drawn=frozenset(CLASSES),
    where=EITHER,
    uncovers=True,
    recolours=True,
)
assert REGIONS.keys() <= set(NAMES)


def region_of(name: str) -> Region:
    """The region of an attribute; everything where none is listed, as of a learned direction."""
    return REGIONS.get(name, EVERYTHING)
