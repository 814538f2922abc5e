"""Fixtures of this room, made beside the functions that tests and their workers import by name."""

from .made_pictures import lfw, lfw_labels

__all__ = ["lfw", "lfw_labels"]
