"""The progress bar of a command, for all of its images; it is shown only on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

FORMAT = "{desc}: {percentage:3.0f}% |{bar}| {remaining} left{postfix}"  # a postfix begins with a comma


class Bar:
    """A progress bar with the time left. An instance is also the `progress` function that the pipeline gets for the
    current image."""

    def __init__(self, images: int) -> None:
        self.images, self.number = images, 0
        is_shown = sys.stderr.isatty()
        # smoothing 0: the time left follows from the mean of all images. miniters 0: every stage is shown at once.
        options = {"leave": False, "bar_format": FORMAT, "smoothing": 0, "miniters": 0}
        self._bar = tqdm(total=images, desc=f"{images} images", disable=not is_shown, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, name: str) -> None:
        """Begin the next image. name: of its file."""
        self.number += 1
        place = f" ({self.number} of {self.images})" if self.images > 1 else ""
        self._bar.set_description_str(name + place, refresh=False)

    def __call__(self, stage: str, fraction: float) -> None:
        """Show the stage of the current image, and the fraction of it that is done."""
        self._bar.set_postfix_str(stage, refresh=False)
        self._bar.update(max(self.number - 1 + fraction - self._bar.n, 0))

    def show_written(self, images: int) -> None:
        """Show that all files of so many images are written."""
        self._bar.update(max(images - self._bar.n, 0))
