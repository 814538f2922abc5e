"""Recipes, one per file: `RECIPE` says how a model is trained and what it adds to a bundle."""
