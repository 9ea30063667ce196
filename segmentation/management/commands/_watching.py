"""A folder that new images come into: which of them are whole, which are measured, and where their results lie."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ._inputs import RESULTS, images_in

STATE, ERROR = "watched.json", "error.txt"
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload")  # how copying programs name what is not whole


class Bad(Exception):
    """The image cannot be measured; the message is one sentence."""


class Later(Exception):
    """Nothing is wrong with the image, so it is tried again; the message is one sentence."""


class Look(NamedTuple):
    """How a file looks from outside."""

    size: int
    modified: int

    @classmethod
    def at(cls, file: Path) -> Look | None:
        """None where the file is gone."""
        try:
            found = file.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


@dataclass
class Folder:
    """asked: what the command line says of all images; where it says something else, they are measured anew. settle:
    seconds for which a file must look the same before it counts as whole."""

    path: Path
    out: Path | None
    settle: float
    asked: dict[str, Any]
    seen: dict[Path, tuple[Look, float]] = field(default_factory=dict)
    done: dict[Path, dict[str, Any]] = field(default_factory=dict)

    def place(self, image: Path) -> Path:
        """Where the results of an image lie: a folder beside it, or the same below `out`."""
        base = self.path if self.out is None else self.out
        return base / image.relative_to(self.path).with_name(image.name + RESULTS)

    def images(self) -> list[Path]:
        found, _ = images_in(self.path, but=self.out)
        return [image for image in found if image.suffix.lower() not in UNFINISHED]

    def state(self, image: Path) -> dict[str, Any]:
        """What was noted with the results of an image; {} where there are none."""
        note = self.place(image) / STATE
        if image not in self.done or not note.exists():
            try:
                self.done[image] = json.loads(note.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self.done[image] = {}
        return self.done[image]

    def ready(self) -> tuple[list[Path], bool]:
        """The images to be measured now, and whether others may still be being written."""
        images, waiting = [], False
        for image in self.images():
            look = Look.at(image)
            if look is None or self._is_measured(image, look):
                continue
            before, since = self.seen.get(image, (None, 0.0))
            if before != look:
                self.seen[image] = (look, time.monotonic())
            settled = before == look and time.monotonic() - since >= self.settle
            if settled and look.size and _is_readable(image):
                images.append(image)
            waiting = waiting or not settled
        return images, waiting

    def _is_measured(self, image: Path, look: Look) -> bool:
        state = self.state(image)
        return state.get("look") == list(look) and state["asked"] == self.asked

    def is_only_touched(self, image: Path, sha256: str) -> bool:
        """Whether its content is what was measured; then its new look is noted."""
        state = self.state(image)
        if (state.get("sha256"), state.get("asked")) != (sha256, self.asked):
            return False
        self._note(self.place(image), image, state | {"look": self.seen[image][0]})
        return True

    @contextmanager
    def results(self, image: Path, sha256: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A folder to write the results into, and a dictionary for what is to be noted with them.

        They appear at once and as a whole, in the place of older ones. Of a Bad image only the sentence appears.
        Raises Later where the image has changed meanwhile.
        """
        note: dict[str, Any] = {"sha256": sha256, "asked": self.asked, "look": self.seen[image][0]}
        with appearing(self.place(image)) as part:
            try:
                yield part, note
            except Bad as bad:
                shutil.rmtree(part)
                part.mkdir()
                (part / ERROR).write_text(f"{bad}\n", encoding="utf-8")
                note["error"] = str(bad)
            if Look.at(image) != self.seen[image][0]:
                raise Later("The file has changed while it was measured.")
            self._note(part, image, note)

    def _note(self, folder: Path, image: Path, note: dict[str, Any]) -> None:
        (folder / STATE).write_text(json.dumps(note, indent=1), encoding="utf-8")
        self.done[image] = json.loads(json.dumps(note))


@contextmanager
def appearing(place: Path) -> Iterator[Path]:
    """A folder that takes the place of another one once it is whole; nothing is left of it after an error."""
    part, old = (place.with_name(f".{place.name}.{end}") for end in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def sha256_of(image: Path) -> str:
    """Of the content; raises Later where it cannot be read."""
    try:
        with image.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Later(f"The file cannot be read ({error.strerror}).") from None


def _is_readable(image: Path) -> bool:
    """Whether another program does not keep it for itself."""
    try:
        with image.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
