"""The REST API, for scripts: all that the site does, as addresses under api/v1/ that answer with JSON."""

from .urls import urlpatterns

__all__ = ["urlpatterns"]
