"""Samples: several images of one material, pooled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._jobs import Job, Progress, Result, _Measured, _Stoppable
from ._parts import File, _form, _id, _part
from ._steps import M, Steps, _step, path_part

if TYPE_CHECKING:
    from ._parts import Image


class Sample(_Stoppable[M]):
    """Several images of one material, pooled."""

    kind = "samples"

    def _how_far(self) -> tuple[str, float]:
        ended = self.data["done"] + self.data["failed"]
        return self.state, ended / max(ended + self.data["under_way"], 1)

    def _finished(self, timeout: float | None, progress: Progress | None) -> Steps[SampleResult[M]]:
        yield from self._wait(timeout, progress)
        result = SampleResult(self._client, self.data)
        stored = json.loads((yield from result._read("result.json")))["quantities"]  # the row has not all intervals
        # By name where particles are screened, else a list.
        result._numbers = stored if isinstance(stored, dict) else {row.pop("name"): row for row in stored}
        return result

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[SampleResult[M]]:
        """Wait for its pooled result, as Job.wait."""
        return (yield from self._finished(timeout, progress))

    @property
    def images(self) -> list[dict[str, Any]]:
        """Each image: id, name, state, error, n, and why it is left out or may not belong to the sample."""
        return list(self.data["images"])

    @_step
    def include(self, image: str, included: bool) -> Steps[None]:
        """Count an image, by its id, or leave it out; wait for the pooled result once more."""
        fields = _form({"included": included})
        self.data = yield from self._client._json("POST", f"{self.path}/images/{path_part(image)}", data=fields)

    @_step
    def use(self, result: Job[M] | Result[M] | str) -> Steps[None]:
        """Count this other result of one of the images in place of the one that counts now."""
        self.data = yield from self._client._json(
            "POST", f"{self.path}/images/{path_part(_id(result))}", data={"included": "instead"}
        )

    @_step
    def rename(self, name: str) -> Steps[None]:
        """Rename the sample; then wait again for its files."""
        self.data = yield from self._client._json("POST", f"{self.path}/name", data={"name": name})

    @_step
    def rescale(self, rule: str, value: str = "") -> Steps[None]:
        """Measure all images with another scale. rule: "width" or "pixel" with a value, or "own"."""
        yield from self._do("scale", rule=rule, value=value)

    @_step
    def add(self, files: Iterable[Image]) -> Steps[None]:
        """Add images, which get the settings of the sample; wait for the pooled result once more."""
        with ExitStack() as stack:
            parts = [("file", _part(file, "", stack)) for file in files]
            self.data = yield from self._client._json("POST", f"{self.path}/images", files=parts)

    @property
    def growth(self) -> dict[str, Any] | None:
        """How far it is by its method: sentence, is_enough, more, waiting; None without a method."""
        return self.data.get("growth")

    @_step
    def close(self, reason: str = "") -> Steps[None]:
        """Close a sample that grows by a method, so that it takes no more images. reason: needed before enough is
        measured."""
        yield from self._do("close", reason=reason)


class SampleResult(Sample[M], _Measured[M]):
    """The pooled result of a sample. After a change `wait` gives the next one."""

    @_step
    def save_outlines(self, to: File = ".") -> Steps[Path]:
        """Save the outlines of all pooled images as one COCO file, in a folder or under the name `to`."""
        return (yield from self._client._download(f"{self.path}/outlines.json", to, f"{self.id}_coco.json"))

    _numbers: dict[str, dict[str, Any]]

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The pooled numbers by name, as `Result.numbers`."""
        return self._numbers

    @property
    def notes(self) -> list[dict[str, str]]:
        """Files that were not taken: name and sentence."""
        return list(self.data["notes"])
