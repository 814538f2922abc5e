from small_world import directions, world

__all__ = ["directions", "world"]  # fixtures of this folder
