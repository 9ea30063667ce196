"""The tables of the database: uploads, segmentations, jobs, samples, methods, datasets, trainings, accounts, workers.

The Job row alone says in which state a job is; a message of the broker only says that some job waits. A job's life:

    create_job ──> QUEUED ──claim──> RUNNING ──publish──> DONE
                    │  ^ ^            │  │ │
                    │  │ └──rescue────┘  │ └──fail──────> FAILED
                    │  │  (worker lost)  │                  │
                    └──┼──cancel─────────┴────> CANCELLED   │
                       │                            │       │
                       └───────────retry────────────┴───────┘

DONE stores what the result page shows: segmentation, table, numbers, preview of the figure. An ExportJob writes the
other files when somebody first asks for one of them. The files that pages show, or that most people take, are written
earlier, in an idle moment of the worker.

An ExportJob has the same states, without CANCELLED. Four more rows have them, too: the Comparison of two results, the
Study of a method, the Proposals beside a doubtful result, and the Measuring of a result after corrections. Measuring
replaces the numbers and files of the result.

Every arrow is one conditional UPDATE on the state (and, for a running job, on the attempt). If two processes try the
same transition, exactly one succeeds. `attempt` only grows: a worker that was silent too long and comes back holds an
old number, and each of its reports raises `Superseded`.

A micrograph is inspected before its job, with the same states. Until the image has been read, its job is QUEUED but not
`ready`, and no worker takes it. If only the data bar is not read yet, a worker finds the outlines and queues the job
again. A row whose `due` is in the future waits until then, so that the machine can recover.

A sample (many images of one specimen) is pooled when all its images have ended, and again after each change:

    create_sample ──> WAITING ──last image ends──> QUEUED ──claim──> RUNNING ──publish──> DONE
                        ^                           ^                   │                   │
                        └──── any change ───────────┴─── (FAILED) <─────┘ <── any change ───┘
"""

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
    shown_name,
)
from .charts import ChartPoint, ChartReport, ControlChart
from .datasets import Dataset, DatasetImage, ModelDefault, Training, TrainingFile
from .edits import Edit, Signature
from .jobs import Artifact, Comparison, ExportJob, Job, Measuring, Proposals, recent_pace
from .methods import Method, MethodVersion
from .micrographs import Arrival, Micrograph, Segmentation, SideFile, preview_path, upload_path
from .references import Reference
from .samples import Sample, SampleArtifact
from .studies import Study
from .tokens import Delivery, Laboratory, Quota, Token, Webhook
from .upkeep import Link, Removal, StaffAction, WorkerProcess
