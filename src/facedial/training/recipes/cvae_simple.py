"""The second source's conditional VAE, `simple`."""

from facedial.training.tasks.source_conditional import recipe

RECIPE = recipe("simple", "the same with one reconstruction term alone and the divergence")
