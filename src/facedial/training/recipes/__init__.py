"""Recipes, one per file: `RECIPE` says how a model is trained and what it adds to a bundle.

They do not import each other; what several share is in `training.tasks`.
"""
