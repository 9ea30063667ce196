"""The app's configuration."""

from django.apps import AppConfig


class SegmentationConfig(AppConfig):
    name = "segmentation"
    verbose_name = "Analyses"

    def ready(self) -> None:
        from django.conf import settings

        from . import checks, services  # noqa: F401  registers the system checks and what deletes files with rows
        from .core.network import cards

        cards.add_folder(settings.DEEPSEGM_MODELS)
