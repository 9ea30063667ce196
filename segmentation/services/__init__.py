"""Every write of more than one row, and every limit per user. Keyword-only and atomic.

If the user breaks a rule, `Refused` is raised: one sentence and an HTTP status.
"""

from .after_inspection import (
    fail_upload,
    give_way,
    publish_archive,
    publish_inspection,
    publish_reading,
    start_archive,
    start_images,
)
from .archives import Note, is_archive
from .combined import combined_table
from .comparisons import comparison_of, found_for, publish_comparison
from .datasets import (
    add_archive,
    change_dataset,
    check_again,
    create_dataset,
    delete_dataset,
    group_image,
    remove_image,
    use_as_training_data,
)
from .edits import Outdated, broken_edits, corrected, corrections_of, edit_job, log_of
from .exports import file_of, publish_early, publish_export, unwritten
from .imports import import_outlines
from .intake import Intake, receive_files
from .jobs import cancel_job, create_job, delete_job, finish_corrections, rerun_job, retry_job
from .permissions import check_may_train, may_train
from .pooling import refresh_sample
from .publishing import fail, keep_picture, postpone, publish, publish_sample, requeue
from .queue import ask_for_files, enqueue_inspection
from .refusal import Refused
from .reruns import pause_proposals, proposals_of, publish_proposals
from .samples import (
    Scale,
    add_images,
    cancel_sample,
    create_sample,
    delete_sample,
    include_image,
    recalibrate_sample,
    rename_sample,
    replace_image,
    retry_failed,
    sample_of_results,
)
from .segmentations import keep_segmentation
from .signing import broken_signatures, sign_job
from .trained import begin_version, install_model, model_name_of, publish_training, report_training
from .trouble import trouble
from .upkeep import child_died, enqueue_all, optimise, purge, put_back, rescue, storage_used, tidy
from .uploads import delete_upload, discard_unused, receive_upload, sample_upload
from .webhooks import address_of
