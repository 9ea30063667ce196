"""The configuration of the Django app: it connects signal receivers and the folder of the site's
own models when the site starts."""

from django.apps import AppConfig


class SegmentationConfig(AppConfig):
    name = "segmentation"
    verbose_name = "Analyses"

    def ready(self) -> None:
        from django.conf import settings

        from . import checks  # noqa: F401  registers the system checks
        from .core.network import cards

        # These connect receivers of Django's signals, such as the one that removes the files of
        # deleted rows.
        from .services.access import second_factor  # noqa: F401
        from .services.ground import files  # noqa: F401
        from .services.results.corrections import signing  # noqa: F401

        cards.add_folder(settings.DEEPSEGM_MODELS)
