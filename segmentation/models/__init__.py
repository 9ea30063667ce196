"""The stored rows: uploads, their segmentations, jobs, samples, datasets, trainings; what accounts and upkeep need.

The Job row is the truth and the broker only says that something waits. A job's life:

    create_job ──> QUEUED ──claim──> RUNNING ──publish──> DONE
                    │  ^ ^            │  │ │
                    │  │ └──rescue────┘  │ └──fail──────> FAILED
                    │  │  (worker lost)  │                  │
                    └──┼──cancel─────────┴────> CANCELLED   │
                       │                            │       │
                       └───────────retry────────────┴───────┘

DONE stores what the result page shows: segmentation, table, numbers, preview of the figure. All other files are written
by an ExportJob when one of them is first asked for; of a single image and of a sample, in an idle moment before that,
those that pages show or most people take. It has the same states but CANCELLED. So have a Comparison of two results,
the Proposals beside a doubtful one, and the Measuring of a result after corrections, which puts numbers and files in
the place of those before.

Every arrow is one conditional UPDATE on the state (and, for a running job, on the attempt). If two processes try the
same transition, exactly one succeeds. `attempt` only grows: a worker that was silent too long and comes back holds an
old number, and each of its reports raises `Superseded`.

Before that a micrograph is inspected in the same way. A job of an image that has not been read yet is QUEUED but not
`ready`, and no worker takes it; where only the data bar is unread, one finds the outlines and queues it again. A row
with a `due` in the future waits until the machine has recovered.

A sample (many images of one specimen) is pooled once none of its images is under way, and once more after each change:

    create_sample ──> WAITING ──last image ends──> QUEUED ──claim──> RUNNING ──publish──> DONE
                        ^                           ^                   │                   │
                        └──── any change ───────────┴─── (FAILED) <─────┘ <── any change ───┘
"""

from .base import AFRESH, AGAIN, LONGEST_DUE, SHOWN_NAME, STARTING, Attempted, Owned, StoredFile, Superseded, shown_name
from .datasets import Dataset, DatasetImage, ModelDefault, Training, TrainingFile
from .edits import Edit, Signature
from .jobs import Artifact, Comparison, ExportJob, Job, Measuring, Proposals, recent_pace
from .micrographs import Arrival, Micrograph, Segmentation, SideFile, preview_path, upload_path
from .samples import Sample, SampleArtifact
from .tokens import Delivery, Laboratory, Quota, Token, Webhook
from .upkeep import Link, Removal, StaffAction, WorkerProcess
