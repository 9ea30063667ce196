"""The device on which networks are calculated: that of DEEPSEGM_DEVICE, or the processor if this machine
does not have it, such as after an update of the driver. Staff are told (`WorkerProcess.notice`)."""

from __future__ import annotations

import logging
from mmap import mmap

from django.conf import settings

from segmentation.core.network.cards import NoDevice
from segmentation.core.network.runtime import has_gpu

logger = logging.getLogger(__name__)
NOTICE = (
    "DEEPSEGM_DEVICE is {device}, which this machine does not have (any more), so networks are calculated on its"
    " processor. Mend the driver or the setting, then restart the worker."
)
# One byte that a worker shares with the children of its pool: 1 when an analysis found no such device.
_is_missing = mmap(-1, 1)


def device_now() -> str:
    """The device for the next network."""
    return "cpu" if device_notice() else settings.DEEPSEGM_DEVICE


def device_notice() -> str:
    """A sentence for the staff if the device of the settings is missing; else ""."""
    device: str = settings.DEEPSEGM_DEVICE
    is_missing = bool(_is_missing[0]) or (device.startswith("cuda") and not has_gpu())
    return NOTICE.format(device=device) if is_missing else ""


def is_missing_device(error: BaseException) -> bool:
    """Whether an attempt failed because the device of the settings is missing. The next one calculates on the
    processor."""
    if not isinstance(error, NoDevice) and not isinstance(error.__cause__, NoDevice):
        return False
    if device_now() in ("auto", "cpu"):
        return False
    _is_missing[0] = 1
    logger.error(device_notice())
    return True
