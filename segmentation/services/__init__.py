"""Every write of more than one row, and every limit per user. Rows that belong together change in one transaction.

If the user breaks a rule, `Refused` is raised: one sentence and an HTTP status.
"""

from .access.webhooks import printed_address
from .ground.callers import check_may_train
from .ground.files import remove_the_rest
from .ground.queue import ask_for_files
from .ground.refusal import Refused, trouble
from .learning.datasets import (
    add_archive,
    change_dataset,
    check_again,
    create_dataset,
    delete_dataset,
    group_image,
    remove_image,
    use_as_training_data,
)
from .learning.trained import begin_version, install_model, model_name_of, publish_training, report_training
from .results.after_inspection import (
    analyse_file,
    analyse_page,
    fail_upload,
    publish_archive,
    publish_inspection,
    publish_reading,
    replace_by_page,
    start_analysis,
    start_images,
)
from .results.combined import combined_table
from .results.comparisons import comparison_of, result_for
from .results.edits import (
    Outdated,
    after_corrections,
    broken_edits,
    corrected,
    corrections_of,
    edit_job,
    log_of,
    steps_made,
)
from .results.exports import file_of, named, publish_export, unwritten, write_ahead
from .results.jobs import (
    before_corrections,
    cancel_job,
    change_job,
    create_job,
    delete_job,
    delete_jobs,
    finish_corrections,
    go_on,
    rerun_job,
    retry_job,
    wait_for_scale,
)
from .results.pooling import refresh_sample
from .results.publishing import fail, keep_picture, keep_segmentation, postpone, publish, publish_sample, requeue
from .results.reruns import import_outlines, proposals_of
from .results.samples import (
    ScaleRule,
    add_images,
    cancel_sample,
    count_corrections,
    count_present_steps,
    create_sample,
    delete_sample,
    ignore_in_sample,
    include_images,
    others_of_this_size,
    recalibrate_sample,
    rename_sample,
    replace_image,
    retry_failed,
    sample_of_results,
    scale_image,
)
from .results.signing import broken_signatures, sign_job
from .results.standing import alike_in, standing
from .results.steps import ask_for_numbers, check_measured, fix, last_change, name_version, publish_step, share
from .results.uploads import Intake, Note, checked_pages, is_zip, receive_files, receive_upload
from .upkeep.upkeep import child_died, enqueue_all, optimise, purge, put_back, rescue, storage_used, tidy
