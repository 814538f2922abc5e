"""The first source's autoencoder with squared error: ReLU codes."""

from facedial.training.tasks.plain import recipe, source_optim

RECIPE = recipe(
    "mse",
    "the first source's autoencoder, squared error and ReLU codes of 1,024 numbers",
    source_optim(1e-4, 5e-5, 10),
)
