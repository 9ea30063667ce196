"""The outlines of one micrograph, as they are stored and measured again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..micrograph.types import Polarity

ALTERNATIVE = "alternative "  # begins the names of other labels in the file
UNKNOWN = [1.0, 0.0, 1.0]  # expected, dropped and closer in files of earlier versions, which lack the last of them


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network and the instance step made of a micrograph.

    labels: (H, W) int32 of the uploaded image's full size; 0 is background, 1..n are particles, none missing.
    confidence: (n,) float32, mean foreground probability over particle i + 1.
    rows: number of rows analysed, counted from the top; the data bar, if any, begins there.
    polarity, scale, threshold: what was used (a Recipe may have said "auto").
    model, model_sha256: the ModelCard's name and the hash of its weights.
    clarity: how clearly the image shows particles at all, 0 to 1; 1 where polarity and scale were given.
    alternatives: other labels of the same image by what was changed, "threshold -0.1" and "threshold +0.1": how much
        a number depends on a setting is told by measuring them too.
    expected: share of the outlines that is expected to be right, 1 where the model is not calibrated. dropped:
        doubtful outlines that were left out.
    closer: how much larger the network was shown the image a second time; 1 where it was shown once.
    """

    labels: NDArray[np.int32]
    confidence: NDArray[np.float32]
    rows: int
    polarity: Polarity
    scale: float
    threshold: float
    model: str
    model_sha256: str
    clarity: float = 1.0
    alternatives: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    expected: float = 1.0
    dropped: int = 0
    closer: float = 1.0

    def save(self, file: Path | BinaryIO) -> None:
        """Write as compressed .npz without pickles."""
        numbers = [self.rows, self.scale, self.threshold, self.clarity, self.expected, self.dropped, self.closer]
        arrays: dict[str, NDArray[np.generic]] = {
            "labels": self.labels,
            "confidence": self.confidence,
            "numbers": np.array(numbers),
            "words": np.array([self.polarity, self.model, self.model_sha256]),
        }
        others = {f"{ALTERNATIVE}{name}": labels for name, labels in self.alternatives.items()}
        np.savez_compressed(file, allow_pickle=False, **arrays, **others)

    @classmethod
    def load(cls, file: Path | BinaryIO) -> Segmentation:
        with np.load(file, allow_pickle=False) as data:
            rows, scale, threshold, clarity, *later = data["numbers"].tolist()
            expected, dropped, closer = list(later) + UNKNOWN[len(later) :]
            polarity, model, sha256 = data["words"].tolist()
            return cls(
                data["labels"],
                data["confidence"],
                int(rows),
                polarity,
                scale,
                threshold,
                model,
                sha256,
                clarity,
                {name.removeprefix(ALTERNATIVE): data[name] for name in data.files if name.startswith(ALTERNATIVE)},
                expected,
                int(dropped),
                closer,
            )
