"""Names in runs and bundles of before 0.2, and what they are called now.

The one place that knows them: `run.json` of such a run can be resumed and exported, and the settings in
such a bundle's `bundle.json` can be read. Settings on the command line have today's names alone. To be
deleted, with its test, when no such run or bundle is in use.
"""

from collections.abc import Mapping
from typing import Any

RECIPES = {
    "reader": "classifier",
    "guide": "weak-flow",
    "sharp": "gan-decoder",
    "moves": "edit-table",
    "student": "distilled-editor",
}

# At any depth of the settings of any recipe.
EVERYWHERE = {
    "pace": "optim",
    "rate": "lr",
    "memory": "ema_steps",
    "look_every": "eval_every",
    "factors": "lr_factors",
    "optimiser": "optimizer",
    "rounded_from": "qat_from",
    "judged": "val_images",
}
CLASSIFIER = {"turn": "rotation", "light": "jitter", "attack": "adversarial_radius"}
FLOW = {"open_share": "unconditional_fraction", "whole_share": "full_fraction"}
OF = {
    "autoencoder": {
        "drawing": "decoder",
        "refining": "refiner",
        "plain_share": "unrefined_fraction",
    },
    "classifier": CLASSIFIER,
    "judge": CLASSIFIER,
    "cvae": {
        "asked": "target",
        "kept": "preserve",
        "likeness": "perceptual",
        "open_share": "unknown_fraction",
        "read_share": "predicted_fraction",
        "changed_share": "edited_fraction",
        "liked_share": "perceptual_fraction",
        "along": "slope_fraction",
    },
    "distilled-editor": {
        "steps": "flow_steps",
        "still": "identity_fraction",
        "pairs_of": "pairs_from",
        "school": "adversarial",
        "reader": "classifier",
        "imitated": "distillation",
        "deceived": "g_loss",
        "suited": "g_loss_conditional",
        "asked": "target",
        "kept": "preserve",
        "fresh": "unpaired_fraction",
        "warm": "warmup_steps",
    },
    "edit-table": {
        "turnings": "t_starts",
        "steps": "flow_steps",
        "places": "mask_thresholds",
        "fresh": "detail_replacement",
    },
    "flagship": {
        "guide": "weak_flow",
        "sharp": "gan_decoder",
        "student": "distilled_editor",
        "firm": "robust_classifier",
        "school": "adversarial",
    },
    "flow": FLOW,
    "gan-decoder": {
        "squared": "mse",
        "likeness": "perceptual",
        "deceived": "g_loss",
        "warm": "warmup_steps",
        "drawn": "generated_fraction",
        "pool": "generated",
        "steps": "flow_steps",
        "begun": "init_weight",
    },
    "landmarks": {
        "turn": "rotation",
        "covered": "occlusion",
        "second_looks": "refine_fraction",
        "looks": "teacher_views",
    },
    "weak-flow": FLOW,
}


def recipe_name(name: str) -> str:
    """Today's name of a recipe."""
    return RECIPES.get(name, name)


def settings(recipe: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe, of today's or an earlier name, as JSON, under today's names."""
    names = EVERYWHERE | OF.get(recipe_name(recipe), {})
    return {
        names.get(name, name): settings(recipe, value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }
