"""`Job` and `Result`, and the base classes of all rows of a site (jobs, samples, datasets, trainings, methods)."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ._errors import DeepSegmError, Failed, TimedOut
from ._parts import File, _cell_value, _form, _import_optional, _new_key, _part, _save
from ._steps import M, Steps, _property, _step, _UsesClient, path_part

if TYPE_CHECKING:
    import numpy as np
    import pandas

    from ._client import _Client
    from ._parts import Image

END_STATES = ("done", "failed", "cancelled")
# How long a finished result waits until the site has compared its scale with the image.
LONGEST_SCALE_CHECK_SECONDS = 60.0
# Names of the table of objects; a result has one of them.
OBJECT_TABLES = ("particles.csv", "objects.csv", "classes.csv")
Progress = Callable[[str, float], object]  # called with the present stage in words, and progress from 0 to 1


class _Row(_UsesClient[M]):
    """A row of the site, such as a job. data: its JSON, as the site sent it last. kind: its part of the address, such
    as "jobs"."""

    kind = ""

    def __init__(self, client: _Client[M], data: dict[str, Any]) -> None:
        self._client, self.data = client, data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.data.get('state') or self.data.get('name')}>"

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.id}"

    @property
    def page(self) -> str:
        """The address of the page of this row, for people."""
        return str(self.data.get("page", ""))

    def _refresh(self) -> Steps[None]:
        self.data = yield from self._client._json("GET", self.path)

    @_step
    def refresh(self) -> Steps[None]:
        """Read `data` from the site again."""
        yield from self._refresh()

    @_step
    def delete(self) -> Steps[None]:
        """Delete this row with its files, for good."""
        yield from self._client._ask("DELETE", self.path)


class _Task(_Row[M]):
    """A row on which a worker of the site works. full_row_key: a key of `data` that is missing if the row came from a
    list."""

    full_row_key = "files"

    @property
    def state(self) -> str:
        """queued, running, done, failed or cancelled; a sample may also be waiting for its images."""
        return str(self.data["state"])

    @property
    def error(self) -> str:
        """The reason why the work failed; "" if it did not fail."""
        return self.data.get("error") or ""

    def _stage_and_progress(self) -> tuple[str, float]:
        """The arguments of Progress."""
        return self.data.get("stage") or self.state, float(self.data.get("progress") or 0)

    def _wait(self, timeout: float | None, progress: Progress | None) -> Steps[None]:
        """Wait until the work has ended; raises TimedOut, or Failed.

        For a finished result it also waits, up to a minute, until the site has checked its scale. That changes no
        number, but may add a warning."""
        deadline, pause = float("inf") if timeout is None else time.monotonic() + timeout, 0.2
        if self.full_row_key not in self.data:
            yield from self._refresh()
        while True:
            if progress:
                progress(*self._stage_and_progress())
            now = time.monotonic()
            if self.state in END_STATES:
                deadline = min(deadline, now + LONGEST_SCALE_CHECK_SECONDS)
                is_checked = self.state != "done" or self.data.get("scale_check") != "pending"
                if is_checked or now >= deadline:
                    break
            elif now >= deadline:
                raise TimedOut(f"It is not done after {timeout:g} s, but goes on at the site.")
            yield min(pause, deadline - now)
            pause = min(1.3 * pause, 3.0)
            yield from self._refresh()
        if self.state != "done":
            raise Failed(self.data)


class _Stoppable(_Task[M]):
    """Work that can be cancelled and tried again."""

    def _do(self, action: str, **fields: Any) -> Steps[None]:
        """Send an action, which is the end of an address, such as "cancel"."""
        self.data = yield from self._client._json("POST", f"{self.path}/{action}", json=fields or None)

    @_step
    def cancel(self) -> Steps[None]:
        """Stop the work."""
        yield from self._do("cancel")

    @_step
    def retry(self) -> Steps[None]:
        """Start work again that failed or was cancelled. A training goes on where it stopped."""
        yield from self._do("retry")


class _Files(_Row[M]):
    """A row with files."""

    @property
    def files(self) -> list[str]:
        """The names of its files. The site makes most of them when they are read for the first time."""
        return list(self.data["files"])

    def _read(self, name: str, options: dict[str, Any] | None = None) -> Steps[bytes]:
        path = f"{self.path}/files/{path_part(name)}"
        return (yield from self._client._response_when_written(path, params={"wait": "20", **(options or {})})).content

    @_step
    def read(self, /, name: str, **options: Any) -> Steps[bytes]:
        """The content of a file. options: for the figure of an image `panels` ("AD"), `font` (points at a width of
        85 mm) and `colours` ("grey"); for report.pdf `annex` (True)."""
        return (yield from self._read(name, options))

    @_step
    def download(self, /, name: str, to: File = ".", **options: Any) -> Steps[Path]:
        """Save a file in the folder `to`, or under the name `to`; gives its path. options: those of `read`."""
        target = Path(to) / Path(name).name if Path(to).is_dir() else Path(to)
        return _save(target, (yield from self._read(name, options)))


class _Measured(_Files[M]):
    """The common part of a finished result of one image and of a sample."""

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers by name. Each has value, unit, interval (95 %, as on the page, or None), and low and high (an
        interval without the total uncertainty: from counting, or from differences within or between images)."""
        return dict(self.data["result"]["quantities"])

    @property
    def warnings(self) -> list[str]:
        """The sentences of the warnings."""
        return list(self.data["result"].get("warnings", []))

    @property
    def may_be_judged(self) -> bool:
        """Whether something may be decided by the numbers: False if a warning says that they are probably wrong."""
        return bool(self.data.get("may_be_judged", True))  # sites up to 1.1 do not say it

    @property
    def method(self) -> dict[str, Any] | None:
        """The version of a method that the result follows: name, version, state, checksum, departures; None without
        one."""
        return (self.data["result"] or {}).get("method")

    def _chosen_files(self, patterns: Sequence[str]) -> list[str]:
        """The names of the files that fit one of the patterns; without patterns the usual files, as the site lists
        them."""
        names = self.files
        if not patterns:
            return [name for name in self.data.get("usual_files", names) if name in names]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise DeepSegmError(f"“{pattern}” is none of the files of this result: {', '.join(names)}.")
        return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]

    @_step
    def save_files(self, to: File = ".", *patterns: str) -> Steps[list[Path]]:
        """Save files in a folder, which is made if it does not exist; gives their paths. patterns: names of files, or
        patterns such as "*.svg", or "*" for all. Without patterns the usual files are saved: result.json, tables,
        figure.png, labels.tif, rois.zip."""
        names, folder = self._chosen_files(patterns), Path(to)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name in names:
            paths.append(_save(folder / Path(name).name, (yield from self._read(name))))
        return paths

    def _table(self) -> Steps[str]:
        """The table of objects as CSV, without its lines of comments."""
        for name in OBJECT_TABLES:
            if name in self.files:
                lines = (yield from self._read(name)).decode("utf-8-sig").splitlines()
                return "\n".join(line for line in lines if not line.startswith("#"))
        raise DeepSegmError("This result has no table of objects.")

    @_property
    def rows(self) -> Steps[list[dict[str, Any]]]:
        """The table of objects: a dictionary for each object, also for objects that are left out (kept is False)."""
        table = yield from self._table()
        return [{name: _cell_value(text) for name, text in row.items()} for row in csv.DictReader(table.splitlines())]

    @_property
    def particles(self) -> Steps[pandas.DataFrame]:
        """The table of objects as a DataFrame, whatever the objects are; needs pandas."""
        read_csv = _import_optional("pandas", "rows gives the same table without it").read_csv
        return cast("pandas.DataFrame", read_csv(io.StringIO((yield from self._table()))))

    @_step
    def specification(self) -> Steps[dict[str, Any]]:
        """The specification of the result (its limits), and the decision on it; both None without limits."""
        return dict((yield from self._client._json("GET", f"{self.path}/specification")))

    @_step
    def hold_against(self, limits: Sequence[Mapping[str, Any]], *, title: str = "") -> Steps[dict[str, Any]]:
        """Compare the result with limits, which replace earlier ones; gives the specification and the decision.

        limits: for each number a dictionary with quantity ("median", "d10", "d90", "fraction_100nm", "n_kept" ...),
        lower, upper (in nm; fractions from 0 to 1; None for no limit), rule ("guard band" or "simple") and factor of
        the guard band. Without limits the specification is deleted.
        """
        path = f"{self.path}/specification"
        if not limits:
            yield from self._client._ask("DELETE", path)
            return {"specification": None, "decision": None}
        sent = {"title": title, "limits": [dict(limit) for limit in limits]}
        return dict((yield from self._client._json("PUT", path, json=sent)))

    @_step
    def reference(self) -> Steps[dict[str, Any]]:
        """The reference material that was measured, and how the result agrees with its certificate."""
        return dict((yield from self._client._json("GET", f"{self.path}/reference")))

    @_step
    def compare_with_reference(self, reference: str) -> Steps[dict[str, Any]]:
        """State that this result measures a reference material; gives bias, En number and whether they agree.

        reference: id of the material; "" to remove the statement."""
        path = f"{self.path}/reference"
        if not reference:
            yield from self._client._ask("DELETE", path)
            return {"reference": None, "comparison": None}
        return dict((yield from self._client._json("PUT", path, json={"reference": reference})))

    @_step
    def link(self) -> Steps[dict[str, Any]]:
        """The private link of the result, for its maker: address, state and end."""
        return dict((yield from self._client._json("GET", f"{self.path}/link")))

    @_step
    def change_link(self, *, ends: str = "", renew: bool = False, off: bool | None = None) -> Steps[dict[str, Any]]:
        """Change the private link. ends: when it ends ("never", "1 day", "1 week", "30 days" or a date). renew: give
        it a new secret. off: switch it off or on."""
        sent = {"ends": ends, "renew": renew, "off": off}
        return dict((yield from self._client._json("POST", f"{self.path}/link", json=sent)))


class Job(_Stoppable[M]):
    """The analysis of one image."""

    kind = "jobs"

    def _wait_for_result(self, timeout: float | None, progress: Progress | None) -> Steps[Result[M]]:
        yield from self._wait(timeout, progress)
        return Result(self._client, self.data)

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[Result[M]]:
        """Wait for the result; raises Failed with the reason, or TimedOut after `timeout` seconds.

        The site may read a scale bar after the result is done. This waits up to a minute until the bar has been
        compared with the scale, because warnings may change then.
        progress: called with the present stage, in words, and the progress from 0 to 1.
        """
        return (yield from self._wait_for_result(timeout, progress))


class Result(_Measured[M]):
    """The result of one image.

    base: the number of the last edit of its outlines that you know, 0 for none.
    """

    kind = "jobs"
    base = 0

    @_step
    def labels(self) -> Steps[np.ndarray[Any, Any]]:
        """The present outlines as a label image, (rows, columns) int32: ids of the table, 0 for background; needs
        tifffile.

        They include outlines that are left out, and all corrections so far. `base` becomes the number of the last one.
        """
        imread = _import_optional("tifffile", "download('labels-all.tif') saves the outlines without it").imread
        answer = yield from self._client._ask("GET", f"{self.path}/labels")
        self.base = int(answer.headers["X-Edits-Base"])
        return cast("np.ndarray[Any, Any]", imread(io.BytesIO(answer.content)))

    @_step
    def edits(self, since: int = 0) -> Steps[list[dict[str, Any]]]:
        """The corrections after number `since`, in their order. `base` becomes the number of the last one."""
        log = yield from self._client._json("GET", f"{self.path}/edits", params={"since": since})
        edits = list(log["edits"])
        while log.get("following"):
            log = yield from self._client._json("GET", f"{self.path}/edits", params={"since": edits[-1]["sequence"]})
            edits += log["edits"]
        self.base = int(log["base"])
        return edits

    @_step
    def similar(self, ids: Sequence[int], *, alike: float = 0.6) -> Steps[list[int]]:
        """The ids of the objects that are similar to these in size, shape, contrast and contact, the most similar
        first.

        alike: least similarity, from 0 to 1."""
        answer = yield from self._client._json("GET", f"{self.path}/similar", params={"ids": list(ids), "alike": alike})
        return list(answer["ids"])

    @_step
    def offers(self) -> Steps[list[dict[str, Any]]]:
        """What corrections like the last three would do in the other images of the sample. For each image: id, base,
        and an offer with an operation for the `edit` of that image."""
        answer = yield from self._client._json("GET", f"{self.path}/offer")
        return list(answer["others"])

    @_step
    def edit(
        self, operations: Sequence[Mapping[str, Any]], *, base: int | None = None, key: str = ""
    ) -> Steps[dict[str, Any]]:
        """Correct the outlines by operations, all of them or none; gives base, made (the ids that each operation
        changed) and checks.

        base: the number of the last edit that you know; self.base if it is not given. Raises Outdated, with the later
        edits, if there are newer ones.
        """
        sent = {"base": self.base if base is None else base, "operations": [dict(edit) for edit in operations]}
        answer: dict[str, Any] = yield from self._client._json(
            "POST", f"{self.path}/edits", key=key or _new_key(), json=sent
        )
        self.base = int(answer["base"])
        return answer

    def _revise(
        self, timeout: float | None, progress: Progress | None, key: str, files: Any = None, **fields: Any
    ) -> Steps[Result[M]]:
        """Make a new job for the image of this result, and wait for its result."""
        path, key = f"{self.path}/revisions", key or _new_key()
        data = yield from self._client._json("POST", path, key=key, data=_form(fields), files=files)
        return (yield from Job(self._client, data)._wait_for_result(timeout, progress))

    @_step
    def revise(
        self,
        /,
        *,
        width: str | None = None,
        timeout: float | None = None,
        progress: Progress | None = None,
        key: str = "",
        **settings: Any,
    ) -> Steps[Result[M]]:
        """Analyse the image again with another width ("" for sizes in pixels) or other settings; gives the new result.

        Settings that are not given stay as they are."""
        return (yield from self._revise(timeout, progress, key, width=width, **settings))

    @_step
    def finish(
        self, /, *, timeout: float | None = None, progress: Progress | None = None, key: str = "", **settings: Any
    ) -> Steps[Result[M]]:
        """Measure the corrected outlines; gives a new result. This one is kept."""
        return (yield from self._revise(timeout, progress, key, edits=True, **settings))

    @_step
    def scales(self, width: str = "") -> Steps[dict[str, Any]]:
        """The scale in use, the scale of the file and the scale of the data bar, with warnings if these differ from
        each other or from `width`."""
        return dict((yield from self._client._json("GET", f"{self.path}/calibration", params={"width": width})))

    @_step
    def rescale(
        self,
        source: str,
        /,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
        key: str = "",
        **fields: Any,
    ) -> Steps[Result[M]]:
        """Measure the same outlines with another scale; gives a new result.

        source: "file" or "data bar" takes that scale of `scales`; "typed" needs width; "line" needs pixels, error (px)
        and length, such as "200 nm"; "none" gives sizes in pixels. keep=True: a person keeps it against a bar that
        contradicts it.
        """
        sent = {"source": source, **fields}
        data = yield from self._client._json("POST", f"{self.path}/calibration", key=key or _new_key(), json=sent)
        return (yield from Job(self._client, data)._wait_for_result(timeout, progress))

    @_step
    def sign(self, password: str, meaning: str = "made", name: str = "") -> Steps[dict[str, Any]]:
        """Sign the result with the password of the account. meaning: made, reviewed or approved."""
        sent = {"password": password, "meaning": meaning, "name": name}
        return dict((yield from self._client._json("POST", f"{self.path}/signatures", json=sent)))

    @_step
    def send_outlines(
        self,
        /,
        file: Image,
        *,
        name: str = "",
        timeout: float | None = None,
        progress: Progress | None = None,
        key: str = "",
        **settings: Any,
    ) -> Steps[Result[M]]:
        """Measure the outlines of another program on this image; gives a new result. This one is kept.

        file: a label image (also as an array of full_row_key numbers), a mask, an ImageJ ROI or ROI ZIP, or COCO JSON.
        """
        with ExitStack() as stack:
            files = [("outlines", _part(file, name, stack))]
            return (yield from self._revise(timeout, progress, key, files, **settings))
