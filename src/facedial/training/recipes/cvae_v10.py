"""The second source's conditional VAE, `v10`."""

from facedial.training.tasks.source_conditional import recipe

RECIPE = recipe(
    "v10",
    "the same with weighted reconstruction terms, and weights of divergence and perceptual loss",
)
