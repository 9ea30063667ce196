"""`Dataset`, images from which models can learn, and `Training`, the training of a model on a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._jobs import Job, Progress, Result, _Files, _Stoppable, _Task
from ._parts import File, _form, _id, _new_key, _part
from ._steps import M, Steps, _step, path_part

if TYPE_CHECKING:
    from ._parts import Image


class Dataset(_Task[M]):
    """Images with correct outlines, on which a model can be trained. A worker of the site stores and checks images that
    are added: call `wait` after each change."""

    kind = "datasets"
    full_row_key = "images"

    @property
    def images(self) -> list[dict[str, Any]]:
        return list(self.data["images"])

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[None]:
        """Wait until added images are stored and checked."""
        yield from self._wait(timeout, progress)

    @_step
    def add(
        self,
        result: Result[M] | Job[M] | str,
        *,
        reviewed: bool,
        consent: bool,
        group: str = "",
        region: Sequence[int] | None = None,
    ) -> Steps[None]:
        """Add a finished result of yours; a newer result of an image replaces the older one.

        reviewed: a person has checked every outline of the image, or of its region (top, left, bottom, right in px).
        consent: models may learn from the image. group: its specimen or session.
        """
        sent = {"job": _id(result), "reviewed": reviewed, "consent": consent, "group": group}
        sent["region"] = None if region is None else list(region)
        self.data = yield from self._client._json("POST", f"{self.path}/images", json=sent)

    @_step
    def add_zip(self, file: Image, *, reviewed: bool, consent: bool) -> Steps[None]:
        """Add images with outlines of other programs. file: a ZIP with the folders images and labels, like that of
        export."""
        with ExitStack() as stack:
            files, data = [("file", _part(file, "", stack))], _form({"reviewed": reviewed, "consent": consent})
            self.data = yield from self._client._json("POST", f"{self.path}/images", files=files, data=data)

    @_step
    def remove(self, image: str) -> Steps[None]:
        """Remove an image from the dataset. image: its id."""
        yield from self._client._ask("DELETE", f"{self.path}/images/{path_part(image)}")
        yield from self._refresh()

    @_step
    def group(self, image: str, group: str) -> Steps[None]:
        """Set the group (specimen or session) of an image; then wait. image: its id."""
        self.data = yield from self._client._json(
            "PATCH", f"{self.path}/images/{path_part(image)}", json={"group": group}
        )

    @_step
    def check(self) -> Steps[None]:
        """Store images once more that could not be stored, and check all images again; then wait."""
        self.data = yield from self._client._json("POST", f"{self.path}/check")

    @_step
    def change(self, /, **fields: Any) -> Steps[None]:
        """Change its name, material, instrument or licence, or whether it is shared."""
        self.data = yield from self._client._json("PATCH", self.path, json=fields)

    @_step
    def export(self, to: File = ".") -> Steps[Path]:
        """Save images, labels and COCO annotations as one ZIP, in a folder or under the name `to`; gives its path."""
        return (yield from self._client._download(f"{self.path}/export.zip", to, f"{self.id}.zip"))

    @_step
    def suggestions(self) -> Steps[list[dict[str, Any]]]:
        """Your uncorrected results from which a model would learn most, the best first."""
        return list((yield from self._client._json("GET", f"{self.path}/suggestions")))

    @_step
    def train(self, /, base: str = "particles", *, key: str = "", **options: Any) -> Steps[Training[M]]:
        """Train the model `base` further on all images of the dataset. options: title, learning_curve, composed."""
        sent = {"dataset": self.id, "base": base, **options}
        row = yield from self._client._json("POST", "/trainings", key=key or _new_key(), json=sent)
        return Training(self._client, row)


class Training(_Stoppable[M], _Files[M]):
    """A training on a dataset; data["summary"] has the errors before and after, data["model"] the model's name."""

    kind = "trainings"

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[None]:
        """Wait for the end of the training; raises Failed with the reason, or TimedOut after `timeout` seconds."""
        yield from self._wait(timeout, progress)

    @_step
    def offer(self, overrule: bool = False) -> Steps[None]:
        """Put the new model into the list of models, if its error became smaller. overrule: also if it did not."""
        yield from self._do("offer", overrule=overrule)

    @_step
    def withdraw(self) -> Steps[None]:
        """Remove the new model from the list of models."""
        yield from self._do("withdraw")

    @_step
    def share(self, shared: bool = True) -> Steps[None]:
        """Let every account use the new model (shared), or only its owner; staff only."""
        yield from self._do("share", shared=shared)

    @_step
    def run_again(self, jobs: Iterable[Job[M] | Result[M] | str] | None = None) -> Steps[dict[str, Any]]:
        """Analyse finished results again with the new model. Without `jobs` it takes uncorrected results of other
        models."""
        sent = {"jobs": None if jobs is None else [_id(job) for job in jobs]}
        return dict((yield from self._client._json("POST", f"{self.path}/revisions", json=sent)))
