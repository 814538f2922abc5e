"""The second source's conditional VAE, `v9`."""

from facedial.training.tasks.source_conditional import recipe

RECIPE = recipe("v9", "the second source's conditional VAE with its four losses")
