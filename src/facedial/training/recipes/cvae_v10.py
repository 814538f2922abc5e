"""The second source's conditional VAE, `v10`."""

from facedial.training.recipes._source_conditional import recipe

RECIPE = recipe(
    "v10", "the same with weighed reconstruction terms, weight of the divergence and of features"
)
