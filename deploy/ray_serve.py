"""The application for Ray Serve (`import_path` of deploy/ray/*.yaml): docs/scale.md."""

from typing import Any

from src.cluster import application


def build(args: dict[str, Any]) -> Any:
    """See `application.build`. Ray takes a function of one parameter only."""
    return application.build(args)
