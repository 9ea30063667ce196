"""DeepSegm from Python: send micrographs, wait, take the numbers away. README.md shows how.

Every method is written once, as steps: it yields requests and pauses, and is given the answers. Client goes through
the steps at once; AsyncClient goes through the same steps when it is awaited.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import itertools
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import update_wrapper, wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload
from urllib.parse import quote
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    import numpy as np
    import pandas

__all__ = [
    "AsyncClient",
    "Client",
    "Dataset",
    "DeepSegmError",
    "Failed",
    "Job",
    "Outdated",
    "Refused",
    "Result",
    "Sample",
    "SampleResult",
    "TimedOut",
    "Training",
    "Unreachable",
]

ENDED = ("done", "failed", "cancelled")
TABLES = ("particles.csv", "objects.csv", "classes.csv")
SAFE = ("GET", "PUT", "DELETE")  # twice is as good as once
MOST_OF_A_KEY = 200  # characters that a site reads of it
LONGEST_PAUSE = 60.0  # seconds that a site may ask us to wait before we give up
NEW_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nothing has been sent yet

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M")
File = str | os.PathLike[str]
Progress = Callable[[str, float], object]


class Sync:
    """Things of a Client: their methods answer at once."""


class Async:
    """Things of an AsyncClient: their methods are awaited."""


class DeepSegmError(Exception):
    """What went wrong, in one sentence for people."""


class Refused(DeepSegmError):
    """The site refused a request. status: of HTTP, such as 404."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Outdated(Refused):
    """Somebody else corrected the result meanwhile, so nothing was changed.

    edits: those that you do not know yet. base: the number of the last one; send it with your corrections, once you
    have looked at the edits.
    """

    def __init__(self, sentence: str, base: int, edits: list[dict[str, Any]]) -> None:
        super().__init__(sentence, 409)
        self.base, self.edits = base, edits


class Failed(DeepSegmError):
    """An analysis, sample or training ended without a result. row: it, as the site tells it."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row.get("error") or f"It was {row['state']}.")
        self.row = row


class Unreachable(DeepSegmError):
    """The site cannot be reached, or something else answers in its place."""


class TimedOut(DeepSegmError, TimeoutError):
    """It took longer than you would wait. It goes on at the site, so you may wait again."""


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    options: dict[str, Any]


Answer = httpx.Response | httpx.TransportError | None
Steps = Generator[_Request | float, Answer, T]  # a number: a pause in seconds


class _Bound(Generic[M]):
    """Whatever asks the site through a client. M: Sync or Async."""

    _client: _Client[M]


class _step(Generic[P, T]):  # noqa: N801
    """A method of steps: with a Client it gives T, with an AsyncClient it is awaited."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.method = method
        update_wrapper(self, method)  # type: ignore[arg-type]  # its name and its text for help()

    @overload
    def __get__(self, thing: None, owner: type) -> _step[P, T]: ...
    @overload
    def __get__(self, thing: _Bound[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, thing: _Bound[Async], owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, thing: Any, owner: type) -> Any:
        if thing is None:
            return self

        @wraps(self.method)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return thing._client._run(self.method(thing, *args, **kwargs))

        return call


class _asked(Generic[T]):  # noqa: N801
    """A property of steps: with an AsyncClient it is awaited."""

    def __init__(self, method: Callable[[Any], Steps[T]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, thing: None, owner: type) -> _asked[T]: ...
    @overload
    def __get__(self, thing: _Bound[Sync], owner: type) -> T: ...
    @overload
    def __get__(self, thing: _Bound[Async], owner: type) -> Awaitable[T]: ...
    def __get__(self, thing: Any, owner: type) -> Any:
        return self if thing is None else thing._client._run(self.method(thing))


class _paged(Generic[T]):  # noqa: N801
    """A list of the site; the steps give one page of it. With an AsyncClient it takes `async for`."""

    def __init__(self, method: Callable[[Any, int], Steps[_Page[T]]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, thing: None, owner: type) -> _paged[T]: ...
    @overload
    def __get__(self, thing: _Bound[Sync], owner: type) -> Callable[[], Iterator[T]]: ...
    @overload
    def __get__(self, thing: _Bound[Async], owner: type) -> Callable[[], AsyncIterator[T]]: ...
    def __get__(self, thing: Any, owner: type) -> Any:
        if thing is None:
            return self
        return lambda: thing._client._pages(lambda page: self.method(thing, page))


@dataclass(frozen=True)
class _Page(Generic[T]):
    """count: of all pages; None where the site does not say, so that the first empty page is the last."""

    rows: list[T]
    count: int | None


class _Row(_Bound[M]):
    """A row of the site. data: what the site said of it last."""

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
        """The address of its page for people."""
        return str(self.data.get("page", ""))

    def _refresh(self) -> Steps[None]:
        self.data = yield from self._client._json("GET", self.path)

    @_step
    def refresh(self) -> Steps[None]:
        """Ask the site how it stands now."""
        yield from self._refresh()

    @_step
    def delete(self) -> Steps[None]:
        """Delete it with its files, for good."""
        yield from self._client._ask("DELETE", self.path)


class _Work(_Row[M]):
    """A row that a worker works at. whole: an entry that lists of rows leave out."""

    whole = "files"

    @property
    def state(self) -> str:
        """queued, running, done, failed or cancelled; a sample may also be waiting for its images."""
        return str(self.data["state"])

    @property
    def error(self) -> str:
        """Why it failed."""
        return self.data.get("error") or ""

    def _how_far(self) -> tuple[str, float]:
        return self.data.get("stage") or self.state, float(self.data.get("progress") or 0)

    def _wait(self, timeout: float | None, progress: Progress | None) -> Steps[None]:
        end = time.monotonic() + timeout if timeout is not None else float("inf")
        pause = 0.2
        if self.whole not in self.data:
            yield from self._refresh()
        while True:
            if progress:
                progress(*self._how_far())
            if self.state in ENDED:
                break
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"It is not done after {timeout:g} s, but goes on at the site.")
            yield min(pause, left)
            pause = min(1.3 * pause, 3.0)
            yield from self._refresh()
        if self.state != "done":
            raise Failed(self.data)


class _Stoppable(_Work[M]):
    def _do(self, action: str, **fields: Any) -> Steps[None]:
        self.data = yield from self._client._json("POST", f"{self.path}/{action}", json=fields or None)

    @_step
    def cancel(self) -> Steps[None]:
        """Stop it."""
        yield from self._do("cancel")


class _Files(_Row[M]):
    """A row with files."""

    @property
    def files(self) -> list[str]:
        """The names of its files. The site writes most of them when somebody first asks for them."""
        return list(self.data["files"])

    def _read(self, name: str) -> Steps[bytes]:
        while True:
            answer = yield from self._client._ask(
                "GET", f"{self.path}/files/{quote(name, safe='')}", params={"wait": "20"}
            )
            if answer.status_code != 202:
                return answer.content
            yield _retry_after(answer) or 1.0

    @_step
    def read(self, name: str) -> Steps[bytes]:
        """The content of a file."""
        return (yield from self._read(name))

    @_step
    def download(self, name: str, to: File = ".") -> Steps[Path]:
        """Save a file in a folder, or under the name `to`; gives its path."""
        target = Path(to) / Path(name).name if Path(to).is_dir() else Path(to)
        return _save(target, (yield from self._read(name)))


class _Measured(_Files[M]):
    """What finished results of one image and of a sample share."""

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers by name, each with value, low and high (ends of the 95 % interval) and unit."""
        return dict(self.data["result"]["quantities"])

    @property
    def warnings(self) -> list[str]:
        return list(self.data["result"].get("warnings", []))

    def _table(self) -> Steps[str]:
        for name in TABLES:
            if name in self.files:
                lines = (yield from self._read(name)).decode("utf-8-sig").splitlines()
                return "\n".join(line for line in lines if not line.startswith("#"))
        raise DeepSegmError("This result has no table of objects.")

    @_asked
    def rows(self) -> Steps[list[dict[str, Any]]]:
        """The table of objects: a dictionary for each, also for those that were set aside (kept is False)."""
        table = yield from self._table()
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(table.splitlines())]

    @_asked
    def particles(self) -> Steps[pandas.DataFrame]:
        """The table of objects as a DataFrame, whatever the objects are; needs pandas."""
        read_csv = _needed("pandas", "rows gives the same table without it").read_csv
        return cast("pandas.DataFrame", read_csv(io.StringIO((yield from self._table()))))


class Job(_Stoppable[M]):
    """The analysis of one image."""

    kind = "jobs"

    def _finished(self, timeout: float | None, progress: Progress | None) -> Steps[Result[M]]:
        yield from self._wait(timeout, progress)
        return Result(self._client, self.data)

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[Result[M]]:
        """Wait for its result; raises Failed with the reason, or TimedOut after so many seconds.

        progress: called with what it is doing, in words, and how far it is, from 0 to 1.
        """
        return (yield from self._finished(timeout, progress))


class Result(_Measured[M]):
    """The result of one image.

    base: the number of the last edit of its outlines that you know, 0 for none.
    """

    kind = "jobs"
    base = 0

    @_step
    def labels(self) -> Steps[np.ndarray[Any, Any]]:
        """The outlines that stand now, (rows, columns) of int32: ids as in the table, 0 for background; needs tifffile.

        They include those that were set aside, and the corrections so far, which you then know (base).
        """
        imread = _needed("tifffile", "download('labels-all.tif') saves the outlines without it").imread
        answer = yield from self._client._ask("GET", f"{self.path}/labels")
        self.base = int(answer.headers["X-Edits-Base"])
        return cast("np.ndarray[Any, Any]", imread(io.BytesIO(answer.content)))

    @_step
    def edits(self, since: int = 0) -> Steps[list[dict[str, Any]]]:
        """The corrections after number `since`, in their order; then you know them (base)."""
        log = yield from self._client._json("GET", f"{self.path}/edits", params={"since": since})
        self.base = int(log["base"])
        return list(log["edits"])

    @_step
    def edit(
        self, operations: Sequence[Mapping[str, Any]], *, base: int | None = None, key: str = ""
    ) -> Steps[dict[str, Any]]:
        """Correct the outlines, all operations or none; gives base, made (the ids that each one touched) and checks.

        base: the number of the last edit that you know, self.base where nothing is given. Raises Outdated, with the
        edits since, where there are newer ones.
        """
        sent = {"base": self.base if base is None else base, "operations": [dict(each) for each in operations]}
        answer: dict[str, Any] = yield from self._client._json(
            "POST", f"{self.path}/edits", key=key or _new_key(), json=sent
        )
        self.base = int(answer["base"])
        return answer

    def _revise(
        self, timeout: float | None, progress: Progress | None, key: str, files: Any = None, **fields: Any
    ) -> Steps[Result[M]]:
        path, key = f"{self.path}/revisions", key or _new_key()
        data = yield from self._client._json("POST", path, key=key, data=_form(fields), files=files)
        return (yield from Job(self._client, data)._finished(timeout, progress))

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
        """The same image with another width ("" for sizes in pixels) or other settings; the others stay as they are."""
        return (yield from self._revise(timeout, progress, key, width=width, **settings))

    @_step
    def finish(
        self, /, *, timeout: float | None = None, progress: Progress | None = None, key: str = "", **settings: Any
    ) -> Steps[Result[M]]:
        """Measure the corrected outlines: a new result, beside this one."""
        return (yield from self._revise(timeout, progress, key, edits=True, **settings))

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
        """Measure the outlines of another program: a new result, beside this one.

        file: a label image (also as an array of whole numbers), a mask, an ImageJ ROI or ROI ZIP, or COCO JSON.
        """
        with ExitStack() as stack:
            files = [("outlines", _part(file, name, stack))]
            return (yield from self._revise(timeout, progress, key, files, **settings))


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
        result._numbers = stored if isinstance(stored, dict) else {each.pop("name"): each for each in stored}
        return result

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[SampleResult[M]]:
        """Wait for its pooled result; raises Failed with the reason, or TimedOut after so many seconds."""
        return (yield from self._finished(timeout, progress))

    @property
    def images(self) -> list[dict[str, Any]]:
        """Each image: id, name, state, error, n, and why it is left out or may not belong to the sample."""
        return list(self.data["images"])

    @_step
    def include(self, image: str, included: bool) -> Steps[None]:
        """Count an image, by its id, or leave it out; wait for the pooled result once more."""
        fields = _form({"included": included})
        self.data = yield from self._client._json("POST", f"{self.path}/images/{image}", data=fields)

    @_step
    def add(self, files: Iterable[Image]) -> Steps[None]:
        """Add images, which get the settings of the sample; wait for the pooled result once more."""
        with ExitStack() as stack:
            parts = [("file", _part(each, "", stack)) for each in files]
            self.data = yield from self._client._json("POST", f"{self.path}/images", files=parts)


class SampleResult(_Measured[M]):
    """The pooled result of a sample."""

    kind = "samples"
    _numbers: dict[str, dict[str, Any]]

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The pooled numbers by name, each with value, low and high (ends of the 95 % interval) and unit."""
        return self._numbers

    @property
    def images(self) -> list[dict[str, Any]]:
        """Each image: id, name, state, error, n, and why it is left out or may not belong to the sample."""
        return list(self.data["images"])

    @property
    def notes(self) -> list[dict[str, str]]:
        """Files that were not taken: name and sentence."""
        return list(self.data["notes"])


class Dataset(_Work[M]):
    """Corrected images that a model may be trained on. A worker writes and checks what is added; wait for it."""

    kind = "datasets"
    whole = "images"

    @property
    def images(self) -> list[dict[str, Any]]:
        return list(self.data["images"])

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[None]:
        """Wait until what was added is written and checked."""
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
        """Add a finished result of yours, or put a newer result of an image in the place of the older one.

        reviewed: a person has checked every outline of the image, or of its region (top, left, bottom, right in px).
        consent: models may learn from it. group: its specimen or session.
        """
        sent = {"job": _id(result), "reviewed": reviewed, "consent": consent, "group": group}
        sent["region"] = None if region is None else list(region)
        self.data = yield from self._client._json("POST", f"{self.path}/images", json=sent)

    @_step
    def add_zip(self, file: Image, *, reviewed: bool, consent: bool) -> Steps[None]:
        """Add images with outlines made elsewhere: a ZIP with the folders images and labels, as export gives it."""
        with ExitStack() as stack:
            files, data = [("file", _part(file, "", stack))], _form({"reviewed": reviewed, "consent": consent})
            self.data = yield from self._client._json("POST", f"{self.path}/images", files=files, data=data)

    @_step
    def remove(self, image: str) -> Steps[None]:
        """Take an image, by its id, out again."""
        yield from self._client._ask("DELETE", f"{self.path}/images/{image}")
        yield from self._refresh()

    @_step
    def change(self, /, **fields: Any) -> Steps[None]:
        """Change its name, material, instrument or licence, or whether it is shared."""
        self.data = yield from self._client._json("PATCH", self.path, json=fields)

    @_step
    def export(self, to: File = ".") -> Steps[Path]:
        """Save images, labels and COCO annotations as one ZIP, in a folder or under the name `to`; gives its path."""
        target = Path(to) / f"{self.id}.zip" if Path(to).is_dir() else Path(to)
        return _save(target, (yield from self._client._ask("GET", f"{self.path}/export.zip")).content)

    @_step
    def suggestions(self) -> Steps[list[dict[str, Any]]]:
        """Your uncorrected results that would teach most, the best first."""
        return list((yield from self._client._json("GET", f"{self.path}/suggestions")))

    @_step
    def train(self, /, base: str = "particles", *, key: str = "", **options: Any) -> Steps[Training[M]]:
        """Train the model `base` further on all of its images. options: title, learning_curve."""
        sent = {"dataset": self.id, "base": base, **options}
        made = yield from self._client._json("POST", "/trainings", key=key or _new_key(), json=sent)
        return Training(self._client, made)


class Training(_Stoppable[M], _Files[M]):
    """A training on a dataset; data["summary"] has the errors before and after, data["model"] the model's name."""

    kind = "trainings"

    @_step
    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Steps[None]:
        """Wait for its end; raises Failed with the reason, or TimedOut after so many seconds."""
        yield from self._wait(timeout, progress)

    @_step
    def retry(self) -> Steps[None]:
        """Go on with a training that failed or was cancelled."""
        yield from self._do("retry")

    @_step
    def offer(self, overrule: bool = False) -> Steps[None]:
        """Offer its model in the list of models, if its error fell; overrule: also if it did not."""
        yield from self._do("offer", overrule=overrule)

    @_step
    def withdraw(self) -> Steps[None]:
        """Offer its model no longer."""
        yield from self._do("withdraw")

    @_step
    def share(self, shared: bool = True) -> Steps[None]:
        """Let every account use its model, or its owner alone; staff only."""
        yield from self._do("share", shared=shared)

    @_step
    def run_again(self, jobs: Iterable[Job[M] | Result[M] | str] | None = None) -> Steps[dict[str, Any]]:
        """Analyse finished results again with its model; without `jobs` all that another model found."""
        sent = {"jobs": None if jobs is None else [_id(each) for each in jobs]}
        return dict((yield from self._client._json("POST", f"{self.path}/revisions", json=sent)))


class _Client(_Bound[M]):
    """What a site can be asked; Client and AsyncClient go through the steps."""

    _open: Any

    def __init__(
        self,
        url: str,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        secret: str | None = None,
        *,
        retries: int = 6,
        timeout: float = 60.0,
        transport: Any = None,
    ) -> None:
        """url: of the site, such as http://127.0.0.1:8000. token: of the account page; or user and password.

        Without an account, results belong to whoever knows `secret` (16 characters or more); one is made up if none is
        given. retries: how often a request is sent again where the site is busy or away. timeout: seconds for one
        answer. transport: one of httpx, such as for a proxy.
        """
        if not url.startswith(("http://", "https://")):
            raise ValueError("The address of the site begins with http:// or https://.")
        if sum(each is not None for each in (token, user, secret)) > 1 or (user is None) != (password is None):
            raise ValueError("Give either a token, or user and password, or a secret.")
        self._client, self.url, self.retries = self, url.rstrip("/"), retries
        self.secret = None if token or user else secret or secrets.token_urlsafe(32)
        bearer = token or self.secret
        self._http = self._open(
            base_url=f"{self.url}/api/v1",
            auth=(user, password) if user is not None else None,
            headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
            timeout=timeout,
            transport=transport,
        )

    def _run(self, steps: Steps[T]) -> Any:
        raise NotImplementedError

    def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> Any:
        raise NotImplementedError

    def _ask(self, method: str, path: str, *, key: str = "", **options: Any) -> Steps[httpx.Response]:
        """Send a request until it is answered; raises Refused, Outdated, Unreachable.

        key: makes two requests one, so that it may be sent again after its answer was lost.
        """
        repeatable = bool(key) or method in SAFE
        if len(key) > MOST_OF_A_KEY or not key.isascii():
            key = hashlib.sha256(key.encode()).hexdigest()
        options["headers"] = {"Idempotency-Key": key} if key else {}
        for attempt in range(self.retries + 1):
            pause = min(0.5 * 2**attempt, 15.0)
            answer = yield _Request(method, path, options)
            if isinstance(answer, httpx.Response):
                busy = answer.status_code == 429 or (repeatable and answer.status_code in (502, 503, 504))
                pause = _retry_after(answer) or pause
                if method == "DELETE" and attempt and answer.status_code == 404:
                    return answer  # the answer before was lost
                if not busy or attempt == self.retries or pause > LONGEST_PAUSE:
                    return self._checked(answer)
            elif attempt == self.retries or not (repeatable or isinstance(answer, NEW_CONNECTION)):
                raise Unreachable(f"{self.url} cannot be reached ({str(answer) or type(answer).__name__}).") from answer
            yield pause
        raise AssertionError("unreachable")

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        if answer.has_redirect_location:
            raise Unreachable(f"{self.url} leads to {answer.headers['Location']}: give that address in its place.")
        try:
            said = answer.json()
            sentence = str(said["error"])
        except (ValueError, KeyError, TypeError):
            raise Unreachable(f"{self.url} answers {answer.status_code}, but not as DeepSegm.") from None
        if answer.status_code == 409 and "edits" in said:
            raise Outdated(sentence, int(said["base"]), said["edits"])
        raise Refused(sentence, answer.status_code)

    def _json(self, method: str, path: str, **options: Any) -> Steps[Any]:
        answer = yield from self._ask(method, path, **options)
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(f"{self.url} does not answer as DeepSegm.") from None

    def _submit(self, image: Image, name: str, side: Iterable[File], key: str, **fields: Any) -> Steps[Job[M]]:
        with ExitStack() as stack:
            files = [("file", _part(image, name, stack)), *(("side", _part(each, "", stack)) for each in side)]
            made = yield from self._json("POST", "/jobs", key=key or _new_key(), data=_form(fields), files=files)
        return Job(self, made)

    @_step
    def submit(
        self,
        /,
        image: Image,
        width: str | None = None,
        *,
        name: str = "",
        side: Iterable[File] = (),
        key: str = "",
        **settings: Any,
    ) -> Steps[Job[M]]:
        """Send an image and do not wait.

        image: a file, the bytes of one, or an array (needs tifffile); name: what it is called. width: of the whole
        image, such as "7520 nm"; else what the file says. side: files that the microscope saved beside it. settings: as
        on the page, such as filter=True. key: the same key makes the same job, however often it is sent.
        """
        return (yield from self._submit(image, name, side, key, width=width, **settings))

    @_step
    def analyse(
        self,
        /,
        image: Image,
        width: str | None = None,
        *,
        name: str = "",
        side: Iterable[File] = (),
        key: str = "",
        timeout: float | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Steps[Result[M]]:
        """Send an image and wait for its result; as submit and Job.wait."""
        job = yield from self._submit(image, name, side, key, width=width, **settings)
        return (yield from job._finished(timeout, progress))

    def _submit_sample(self, files: Iterable[Image], key: str, **fields: Any) -> Steps[Sample[M]]:
        with ExitStack() as stack:
            parts = [("file", _part(each, "", stack)) for each in files]
            made = yield from self._json("POST", "/samples", key=key or _new_key(), data=_form(fields), files=parts)
        return Sample(self, made)

    @_step
    def submit_sample(
        self,
        /,
        files: Iterable[Image],
        name: str = "",
        *,
        width: str | None = None,
        nm_per_pixel: str | None = None,
        key: str = "",
        **settings: Any,
    ) -> Steps[Sample[M]]:
        """Send the images of one material, the files beside them, or ZIP archives of both, and do not wait."""
        scale = {"width": width, "nm_per_pixel": nm_per_pixel}
        return (yield from self._submit_sample(files, key, name=name, **scale, **settings))

    @_step
    def sample(
        self,
        /,
        files: Iterable[Image],
        name: str = "",
        *,
        width: str | None = None,
        nm_per_pixel: str | None = None,
        key: str = "",
        timeout: float | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Steps[SampleResult[M]]:
        """Send the images of one material and wait for their pooled result; as submit_sample and Sample.wait."""
        scale = {"width": width, "nm_per_pixel": nm_per_pixel}
        made = yield from self._submit_sample(files, key, name=name, **scale, **settings)
        return (yield from made._finished(timeout, progress))

    @_step
    def job(self, id: str) -> Steps[Job[M]]:
        """A job by its id; wait gives its result."""
        return Job(self, (yield from self._json("GET", f"/jobs/{id}")))

    @_step
    def sample_by_id(self, id: str) -> Steps[Sample[M]]:
        """A sample by its id; wait gives its pooled result."""
        return Sample(self, (yield from self._json("GET", f"/samples/{id}")))

    def _list(self, row: Callable[[_Client[M], dict[str, Any]], T], kind: str, page: int) -> Steps[_Page[T]]:
        found = yield from self._json("GET", f"/{kind}", params={"page": page})
        rows, count = (found, None) if isinstance(found, list) else (found[kind], found["count"])
        return _Page([row(self, each) for each in rows], count)

    @_paged
    def jobs(self, page: int) -> Steps[_Page[Job[M]]]:
        """Your jobs, the newest first."""
        return (yield from self._list(Job[M], "jobs", page))

    @_paged
    def samples(self, page: int) -> Steps[_Page[Sample[M]]]:
        """Your samples, the newest first."""
        return (yield from self._list(Sample[M], "samples", page))

    @_paged
    def datasets(self, page: int) -> Steps[_Page[Dataset[M]]]:
        """Your datasets and those that are shared, the newest first."""
        return (yield from self._list(Dataset[M], "datasets", page))

    @_paged
    def trainings(self, page: int) -> Steps[_Page[Training[M]]]:
        """Your trainings, the newest first."""
        return (yield from self._list(Training[M], "trainings", page))

    @_step
    def compare(self, a: _Measured[M] | str, b: _Measured[M] | str) -> Steps[dict[str, Any]]:
        """Two results or samples side by side: numbers with their differences, and which objects match."""
        while True:
            answer = yield from self._ask("GET", "/compare", params={"a": _id(a), "b": _id(b)})
            if answer.status_code != 202:
                return cast("dict[str, Any]", answer.json())
            yield _retry_after(answer) or 1.0

    @_step
    def dataset(self, id: str | int) -> Steps[Dataset[M]]:
        """A dataset by its id."""
        return Dataset(self, (yield from self._json("GET", f"/datasets/{id}")))

    @_step
    def create_dataset(self, /, name: str, task: str = "particles", **fields: Any) -> Steps[Dataset[M]]:
        """A new dataset of one kind of analysis. fields: material, instrument, licence, class_names."""
        return Dataset(self, (yield from self._json("POST", "/datasets", json={"name": name, "task": task, **fields})))

    @_step
    def training(self, id: str | int) -> Steps[Training[M]]:
        """A training by its id."""
        return Training(self, (yield from self._json("GET", f"/trainings/{id}")))

    @_step
    def models(self) -> Steps[list[dict[str, Any]]]:
        """The models that you may use."""
        return list((yield from self._json("GET", "/models")))

    @_step
    def model(self, name: str) -> Steps[dict[str, Any]]:
        """A model, with its whole card."""
        return dict((yield from self._json("GET", f"/models/{quote(name, safe='')}")))

    @_step
    def set_default(self, model: str, site: bool = False) -> Steps[None]:
        """Use a model where none is named, from now on. site: for everybody (staff only)."""
        yield from self._ask("PUT", "/models/default", json={"model": model, "site": site})

    @_step
    def restore_default(self, task: str = "particles", site: bool = False) -> Steps[None]:
        """Use the model again that was used before the last set_default."""
        yield from self._ask("POST", "/models/default/back", json={"task": task, "site": site})


class Client(_Client[Sync]):
    """A site, asked step by step: `with Client("http://127.0.0.1:8000") as client: ...`."""

    _open = httpx.Client

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _run(self, steps: Steps[T]) -> T:
        answer: Answer = None
        try:
            while True:
                asked, answer = steps.send(answer), None
                if isinstance(asked, float):
                    time.sleep(asked)
                    continue
                try:
                    answer = self._http.request(asked.method, asked.path, **asked.options)
                except httpx.TransportError as problem:
                    answer = problem
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> Iterator[T]:
        seen = 0
        for number in itertools.count(1):
            found = self._run(page(number))
            yield from found.rows
            seen += len(found.rows)
            if not found.rows or seen == found.count:
                break


class AsyncClient(_Client[Async]):
    """The same for asyncio: `async with AsyncClient("http://127.0.0.1:8000") as client: ...`."""

    _open = httpx.AsyncClient

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        answer: Answer = None
        try:
            while True:
                asked, answer = steps.send(answer), None
                if isinstance(asked, float):
                    await asyncio.sleep(asked)
                    continue
                try:
                    answer = await self._http.request(asked.method, asked.path, **asked.options)
                except httpx.TransportError as problem:
                    answer = problem
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    async def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> AsyncIterator[T]:
        seen = 0
        for number in itertools.count(1):
            found = await self._run(page(number))
            for row in found.rows:
                yield row
            seen += len(found.rows)
            if not found.rows or seen == found.count:
                break


if TYPE_CHECKING:
    Image = File | bytes | np.ndarray[Any, Any]


def _part(image: Image, name: str, stack: ExitStack) -> tuple[str, IO[bytes] | bytes]:
    """An image as a part of a form; a file is read while it is sent."""
    if isinstance(image, str | os.PathLike):
        return name or Path(image).name, stack.enter_context(Path(image).open("rb"))
    if isinstance(image, bytes):
        return name or "image", image
    file = io.BytesIO()
    _needed("tifffile", "save the array as a file").imwrite(file, image)
    return name or "array.tif", file.getvalue()


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form, as the site reads them; those that are None are not sent."""
    switch = {True: "on", False: "off"}
    return {
        name: switch[value] if isinstance(value, bool) else str(value)
        for name, value in fields.items()
        if value is not None
    }


def _needed(module: str, otherwise: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise DeepSegmError(f"This needs {module} (pip install {module}); {otherwise}.") from None


def _save(target: Path, content: bytes) -> Path:
    """Write a file as a whole or not at all."""
    part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the site asks for, 0 where it does not say."""
    try:
        return max(float(answer.headers.get("Retry-After", "")), 0.0)
    except ValueError:
        return 0.0


def _value(text: str) -> Any:
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def _id(row: _Row[Any] | str) -> str:
    return row if isinstance(row, str) else row.id


def _new_key() -> str:
    return uuid4().hex
