"""What is wrong with a folder of a user's own images and masks, before any training starts."""

from __future__ import annotations

from .findings import CheckedFolder, Finding
from .folder import DAMAGED, NOT_CAUGHT, check_folder, check_pairs, check_sources, mark, read_pair, write_pair
from .pairs import CheckedPair, check_pair
