"""What is wrong with a folder of a user's own images and masks, before any training starts.

With `adaptation` this is all that the site knows of the laboratory. Nothing here needs torch.
"""

from __future__ import annotations

from ..classes import coloured
from ..contract import LearningTask
from ..sheets import TRUE, outlined
from ..tasks import find as find_task
from .composing import composed_pictures
from .findings import CheckedFolder, Finding
from .folder import DAMAGED, NOT_CAUGHT, check_folder, check_pairs, check_sources, mark, read_pair, write_pair
from .pairs import CheckedPair, check_pair
