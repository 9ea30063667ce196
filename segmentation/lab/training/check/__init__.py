"""Checks images and their labels before a training starts.

The site imports only this package and `adaptation` from the laboratory. Nothing here needs torch.
"""

from __future__ import annotations

from ..classes import with_classes
from ..contract import LearningTask
from ..sheets import TRUE, with_outlines
from ..tasks import find as find_task
from .composing import composed_pictures
from .findings import CheckedFolder, Finding
from .folder import DAMAGED, NOT_CAUGHT, check_folder, check_pairs, check_sources, mark, read_pair, write_pair
from .pairs import CheckedPair, check_pair
