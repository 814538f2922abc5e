"""The first source's autoencoder with cross-entropy: sigmoid codes."""

from facedial.training.tasks.plain import recipe, source_optim

RECIPE = recipe(
    "bce",
    "the first source's autoencoder, cross-entropy and sigmoid codes of 1,024 numbers",
    source_optim(1e-5, 1e-3, 5),
)
