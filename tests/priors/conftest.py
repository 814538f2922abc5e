from small_world import world

__all__ = ["world"]  # fixtures of this folder
