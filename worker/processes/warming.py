"""Lets a new child of the pool for analyses analyse a test image before its first job, so that the
job starts quickly."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from celery.signals import worker_process_init

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph import types
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.network.runtime import give_memory_back
from segmentation.core.settings import DEFAULT_TASK
from segmentation.core.tasks import find
from segmentation.services.ground.queue import ANALYSES

from ..analysis.analysing import runtime_now
from ..scratch import scratch_folder
from .child import preparing

logger = logging.getLogger(__name__)


@worker_process_init.connect
@preparing()
def warm_up(**signal: Any) -> None:
    """Analyse a synthetic image in a new child of the pool, so that its first job need not wait
    until libraries and the usual network are loaded. An error here is only logged, because it will
    occur again in a job."""
    if ANALYSES not in current_app.amqp.queues.consume_from:
        return
    try:
        from segmentation.core import pipeline
        from segmentation.core.report.files import write_all

        picture = find(DEFAULT_TASK).golden().picture
        micrograph = types.Micrograph(picture, "drawn", "0" * 64, types.Calibration(5.0, Source.METADATA))
        with scratch_folder() as folder:
            write_all(
                pipeline.analyse(micrograph, AnalysisSettings.of(), runtime=runtime_now()), folder, stored_only=True
            )
        give_memory_back()
    except Exception:
        logger.warning("The usual model could not be tried.", exc_info=True)
