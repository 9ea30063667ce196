"""Makes a tiny model and queues COUNT trainings of it: `python -m tools.faults.trainings COUNT`."""

from __future__ import annotations

import sys
from pathlib import Path


def main(count: int) -> None:
    import django

    django.setup()
    from django.conf import settings

    from segmentation.core.network.architectures import build
    from segmentation.lab.training.publish import publish
    from segmentation.models import Training
    from segmentation.services.ground.queue import enqueue
    from tests.lab.folders import make_folder, tiny
    from tests.worker.trainable import make_training

    base_folder = Path(settings.DEEPSEGM_DATA).parent / "base"
    recipe = tiny(make_folder(base_folder / "data"))
    card = publish(build(recipe.architecture, 2), recipe, base_folder / "base", version="1", extra={})
    enqueue([make_training(card).pk for _ in range(count)], Training)


if __name__ == "__main__":
    main(int(sys.argv[1]))
