"""Every write of more than one row, and every rule about who may have how much. Keyword-only and atomic.

A rule that the user broke raises `Refused`: one sentence and an HTTP status.
"""

from .jobs import cancel_job, create_job, delete_job, rerun_job, retry_job
from .publishing import fail_job, publish
from .refusal import Refused
from .upkeep import purge, put_back, rescue, ring_all, storage_used, tidy
from .uploads import delete_upload, receive_upload, sample_upload

__all__ = [
    "Refused",
    "cancel_job",
    "create_job",
    "delete_job",
    "delete_upload",
    "fail_job",
    "publish",
    "purge",
    "put_back",
    "receive_upload",
    "rerun_job",
    "rescue",
    "retry_job",
    "ring_all",
    "sample_upload",
    "storage_used",
    "tidy",
]
