"""How the kind "cracks" is taught: its labels give each pixel a class."""

from segmentation.lab.training.classes import likeliest, scoring, softmax, targets
from segmentation.lab.training.contract import LearningTask

from .kind import CLASSES

CRACKS = LearningTask(
    name="cracks",
    channels=CLASSES,
    optional=(),
    targets=targets,
    loss="classes",
    activation=softmax,
    preview=likeliest,
    scoring=scoring,
    classes=True,
)
