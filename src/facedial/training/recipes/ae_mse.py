"""The first source's autoencoder with squared error: ReLU codes."""

from facedial.training.recipes._plain import recipe, source_pace

RECIPE = recipe(
    "mse",
    "the first source's autoencoder, squared error and ReLU codes of 1,024 numbers",
    source_pace(1e-4, 5e-5, 10),
)
