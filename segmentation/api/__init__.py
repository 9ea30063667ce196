"""The same analyses for scripts: multipart in, JSON out, Basic, a secret or nobody, never the browser's session."""

from .urls import urlpatterns

__all__ = ["urlpatterns"]
