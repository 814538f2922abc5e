"""The first source's autoencoder with cross-entropy: sigmoid codes."""

from facedial.training.recipes._plain import recipe, source_pace

RECIPE = recipe(
    "bce",
    "the first source's autoencoder, cross-entropy and sigmoid codes of 1,024 numbers",
    source_pace(1e-5, 1e-3, 5),
)
