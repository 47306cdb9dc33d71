"""The application for Ray Serve (`import_path` of deploy/ray/*.yaml): docs/scale.md."""

from src.cluster.application import build

__all__ = ["build"]
