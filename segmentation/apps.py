"""The app's configuration."""

from django.apps import AppConfig


class SegmentationConfig(AppConfig):
    name = "segmentation"
    verbose_name = "Analyses"

    def ready(self) -> None:
        from django.conf import settings

        from .core.network import cards
        from .services.access import second_factor  # noqa: F401 (what follows a change of a row)
        from .services.ground import files  # noqa: F401

        cards.add_folder(settings.DEEPSEGM_MODELS)
