"""The second source's conditional VAE, `simple`."""

from facedial.training.recipes._source_conditional import recipe

RECIPE = recipe("simple", "the same with one reconstruction term alone and the divergence")
