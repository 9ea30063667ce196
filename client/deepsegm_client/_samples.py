"""`Sample`, several images of one material, and `SampleResult`, their pooled result."""

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
    """Several images of one material, whose numbers are pooled."""

    kind = "samples"

    def _stage_and_progress(self) -> tuple[str, float]:
        ended = self.data["done"] + self.data["failed"]
        return self.state, ended / max(ended + self.data["under_way"], 1)

    def _wait_for_result(self, timeout: float | None, progress: Progress | None) -> Steps[SampleResult[M]]:
        yield from self._wait(timeout, progress)
        result = SampleResult(self._client, self.data)
        stored = json.loads((yield from result._read("result.json")))["quantities"]  # `data` lacks some intervals
        # They are a dictionary if particles are judged as nanomaterials, else a list.
        result._numbers = stored if isinstance(stored, dict) else {row.pop("name"): row for row in stored}
        return result

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[SampleResult[M]]:
        """Wait for the pooled result, like Job.wait."""
        return (yield from self._wait_for_result(timeout, progress))

    @property
    def images(self) -> list[dict[str, Any]]:
        """Each image: id, name, state, error, n, and why it is left out or may not belong to the sample."""
        return list(self.data["images"])

    @_step
    def include(self, image: str, included: bool) -> Steps[None]:
        """Include an image in the sample, or leave it out; then wait for the new pooled result. image: its id."""
        fields = _form({"included": included})
        self.data = yield from self._client._json("POST", f"{self.path}/images/{path_part(image)}", data=fields)

    @_step
    def use(self, result: Job[M] | Result[M] | str) -> Steps[None]:
        """Use another result of one of the images in place of the present one; then wait."""
        self.data = yield from self._client._json(
            "POST", f"{self.path}/images/{path_part(_id(result))}", data={"included": "instead"}
        )

    @_step
    def rename(self, name: str) -> Steps[None]:
        """Rename the sample; then wait for its new files."""
        self.data = yield from self._client._json("POST", f"{self.path}/name", data={"name": name})

    @_step
    def rescale(self, rule: str, value: str = "") -> Steps[None]:
        """Measure all images with another scale. rule: "width" (of an image) or "pixel" (its size) with a
        value, or "own": the scale of each image."""
        yield from self._do("scale", rule=rule, value=value)

    @_step
    def add(self, files: Iterable[Image]) -> Steps[None]:
        """Add images, which get the settings of the sample; then wait for the new pooled result."""
        with ExitStack() as stack:
            parts = [("file", _part(file, "", stack)) for file in files]
            self.data = yield from self._client._json("POST", f"{self.path}/images", files=parts)

    @property
    def growth(self) -> dict[str, Any] | None:
        """Whether the sample has enough images by its method: sentence, is_enough, more, waiting; None without a
        method."""
        return self.data.get("growth")

    @_step
    def close(self, reason: str = "") -> Steps[None]:
        """Close a sample that grows by a method, so that no more images can be added. reason: needed if it has not
        enough images yet."""
        yield from self._do("close", reason=reason)

    @_step
    def reopen(self, reason: str) -> Steps[None]:
        """Open a closed sample again. The account needs the right to do so."""
        yield from self._do("reopen", reason=reason)


class SampleResult(Sample[M], _Measured[M]):
    """The pooled result of a sample. After a change of the sample, its `wait` gives a new one."""

    @_step
    def save_outlines(self, to: File = ".") -> Steps[Path]:
        """Save the outlines of all pooled images as one COCO file, in a folder or under the name `to`."""
        return (yield from self._client._download(f"{self.path}/outlines.json", to, f"{self.id}_coco.json"))

    _numbers: dict[str, dict[str, Any]]

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The pooled numbers by name, like `Result.numbers`."""
        return self._numbers

    @property
    def notes(self) -> list[dict[str, str]]:
        """The files that were not used: name, and a sentence with the reason."""
        return list(self.data["notes"])
