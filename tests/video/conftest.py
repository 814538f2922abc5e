"""Fixtures of clips."""

from moving_faces import clip, heads

__all__ = ["clip", "heads"]
