"""The tables of the database: uploads, segmentations, jobs, samples, methods, datasets, trainings, accounts, workers.

The state of a job is stored in its row `Job`; a message of the broker only tells workers that some job waits. The
states of a job and the functions that change them:

    create_job ──> QUEUED ──claim──> RUNNING ──publish──> DONE
                    │  ^ ^            │  │ │
                    │  │ └──rescue────┘  │ └──fail──────> FAILED
                    │  │  (worker lost)  │                  │
                    └──┼──cancel─────────┴────> CANCELLED   │
                       │                            │       │
                       └───────────retry────────────┴───────┘

A job that is DONE has the segmentation, table, numbers and preview that its page shows. An ExportJob writes the other
files when somebody first asks for one of them; an idle worker writes those that most people take earlier.

An ExportJob has the same states, without CANCELLED. Three more rows have them, too: the Comparison of two results, the
Proposals beside a doubtful result, and the Measuring of a result after corrections. Measuring replaces the numbers and
files of the result. The Study of a method has all states of a job.

Every arrow is one conditional UPDATE on the state (and, for a running job, on the attempt). If two processes try the
same transition, exactly one succeeds. `attempt` grows with each claim: if a worker was silent for too long and comes
back, it has an old number, and each of its reports raises `Superseded`.

A micrograph is inspected before its job; the inspection has similar states. Until the image has been read, its job is
QUEUED but not `ready`, and no worker takes it. If only the data bar is not read yet, a worker finds the outlines and
queues the job again. After a fault of the machine a row waits until its time `due`.

A sample (many images of one specimen) is pooled when all its images have ended, and again after each change:

    create_sample ──> WAITING ──last image ends──> QUEUED ──claim──> RUNNING ──publish──> DONE
                        ^                           ^                   │                   │
                        └──── any change ───────────┴─── (FAILED) <─────┘ <── any change ───┘
"""

from ..learning.rows import Dataset, DatasetImage, ModelDefault, Training, TrainingFile
from ..quality.control_charts.rows import ChartPoint, ControlChart
from ..quality.methods.rows import Method, MethodVersion
from ..quality.references.rows import Reference
from ..quality.studies.rows import Study
from .base import (
    LONGEST_DUE,
    REQUEUE_FIELDS,
    RESTART_FIELDS,
    SHOWN_NAME,
    STARTING,
    Attempted,
    Owned,
    StoredFile,
    Superseded,
    kind_in_turn,
    shown_name,
)
from .edits import Edit, Signature
from .jobs import Artifact, Comparison, ExportJob, Job, Measuring, Proposals, recent_pace
from .micrographs import Arrival, Micrograph, Segmentation, SideFile, preview_path, upload_path
from .samples import Sample, SampleArtifact
from .tokens import Delivery, Laboratory, Quota, Token, Webhook
from .upkeep import Link, Removal, StaffAction, WorkerProcess
