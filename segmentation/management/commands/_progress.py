"""One bar for all images of a command, on a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

FORM = "{desc}: {percentage:3.0f}% |{bar}| {remaining} left{postfix}"  # a postfix begins with a comma


class Bar:
    """How far a command is with all its images, and the time left. Called, it is the `progress` of the pipeline for
    the image that was begun last."""

    def __init__(self, images: int) -> None:
        self.images, self.number = images, 0
        is_shown = sys.stderr.isatty()
        # smoothing: time left by the mean of all images. miniters: a stage is shown however little it advances.
        how = {"leave": False, "bar_format": FORM, "smoothing": 0, "miniters": 0}
        self._bar = tqdm(total=images, desc=f"{images} images", disable=not is_shown, **how)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, name: str) -> None:
        """An image, after all those begun before."""
        self.number += 1
        place = f" ({self.number} of {self.images})" if self.images > 1 else ""
        self._bar.set_description_str(name + place, refresh=False)

    def __call__(self, stage: str, fraction: float) -> None:
        """The image that was begun last is in this stage, and this fraction of it is done."""
        self._bar.set_postfix_str(stage, refresh=False)
        self._bar.update(max(self.number - 1 + fraction - self._bar.n, 0))

    def wrote(self, images: int) -> None:
        """So many images have all their files."""
        self._bar.update(max(images - self._bar.n, 0))
