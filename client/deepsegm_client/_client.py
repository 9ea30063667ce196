"""The site as a whole."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx

from ._errors import Unreachable, checked
from ._jobs import Job, Progress, Result, _Measured, _Row
from ._learning import Dataset, Training
from ._methods import Method, _source
from ._parts import File, _form, _id, _new_key, _part, _retry_after, _save
from ._samples import Sample, SampleResult
from ._steps import Answer, Async, M, Steps, Sync, T, _Bound, _Page, _paged, _Request, _step, path_part

if TYPE_CHECKING:
    from ._parts import Image

SAFE = ("GET", "PUT", "DELETE")  # twice is as good as once
MOST_OF_A_KEY = 200  # characters that a site reads of it
LONGEST_PAUSE = 60.0  # seconds that a site may ask us to wait before we give up
NEW_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nothing has been sent yet


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
        if sum(key is not None for key in (token, user, secret)) > 1 or (user is None) != (password is None):
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
        """Send a request, up to `retries` times again, until it is answered; raises Refused, Outdated, Unreachable.

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
                    return checked(answer, self.url)
            elif attempt == self.retries or not (repeatable or isinstance(answer, NEW_CONNECTION)):
                raise Unreachable(f"{self.url} cannot be reached ({str(answer) or type(answer).__name__}).") from answer
            yield pause
        raise AssertionError("unreachable")

    def _json(self, method: str, path: str, **options: Any) -> Steps[Any]:
        answer = yield from self._ask(method, path, **options)
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(f"{self.url} does not answer as DeepSegm.") from None

    def _download(self, path: str, to: File, name: str, **options: Any) -> Steps[Path]:
        """Save a file that the site may first have to write. name: in the folder `to`."""
        answer = yield from self._response_when_written(path, **options)
        return _save(Path(to) / name if Path(to).is_dir() else Path(to), answer.content)

    def _response_when_written(self, path: str, **options: Any) -> Steps[httpx.Response]:
        while True:
            answer = yield from self._ask("GET", path, **options)
            if answer.status_code != 202:
                return answer
            yield _retry_after(answer) or 1.0

    def _submit(self, image: Image, name: str, side: Iterable[File], key: str, **fields: Any) -> Steps[Job[M]]:
        with ExitStack() as stack:
            files = [("file", _part(image, name, stack)), *(("side", _part(file, "", stack)) for file in side)]
            row = yield from self._json("POST", "/jobs", key=key or _new_key(), data=_form(fields), files=files)
        return Job(self, row)

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
        on the page, such as filter=True, and method="NAME", "NAME@2" or the id of a version. key: the same key makes
        the same job, however often it is sent.
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
            parts = [("file", _part(file, "", stack)) for file in files]
            row = yield from self._json("POST", "/samples", key=key or _new_key(), data=_form(fields), files=parts)
        return Sample(self, row)

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
        fields = {"name": name, "width": width, "nm_per_pixel": nm_per_pixel, **settings}
        return (yield from self._submit_sample(files, key, **fields))

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
        fields = {"name": name, "width": width, "nm_per_pixel": nm_per_pixel, **settings}
        sample = yield from self._submit_sample(files, key, **fields)
        return (yield from sample._finished(timeout, progress))

    @_step
    def sample_of_results(self, results: Iterable[_Row[M] | str], name: str = "", *, key: str = "") -> Steps[Sample[M]]:
        """A sample of finished results, one of each image; these stay as they are. Wait for its pooled result."""
        sent = {"jobs": [*map(_id, results)], "name": name}
        return Sample(self, (yield from self._json("POST", "/samples/of-results", key=key or _new_key(), json=sent)))

    @_step
    def me(self) -> Steps[dict[str, Any]]:
        """Who you are here: account, token, staff."""
        return dict((yield from self._json("GET", "/me")))

    @_step
    def claim(self, secret: str) -> Steps[int]:
        """Keep in your account what was made with this secret; gives how many jobs."""
        return int((yield from self._json("POST", "/me/claim", json={"secret": secret}))["claimed"])

    @_step
    def tasks(self) -> Steps[list[dict[str, Any]]]:
        """The kinds of analysis, each with its models and settings."""
        return list((yield from self._json("GET", "/tasks"))["tasks"])

    @_step
    def job(self, id: str) -> Steps[Job[M]]:
        """A job by its id; wait gives its result."""
        return Job(self, (yield from self._json("GET", f"/jobs/{path_part(id)}")))

    @_step
    def sample_by_id(self, id: str) -> Steps[Sample[M]]:
        """A sample by its id; wait gives its pooled result."""
        return Sample(self, (yield from self._json("GET", f"/samples/{path_part(id)}")))

    def _list(self, row: Callable[[_Client[M], dict[str, Any]], T], kind: str, page: int) -> Steps[_Page[T]]:
        answer = yield from self._json("GET", f"/{kind}", params={"page": page})
        rows, count = (answer, None) if isinstance(answer, list) else (answer[kind], answer["count"])
        return _Page([row(self, item) for item in rows], count)

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
        return dict((yield from self._response_when_written("/compare", params={"a": _id(a), "b": _id(b)})).json())

    @_step
    def save_results(self, results: Iterable[_Row[M] | str], to: File = ".") -> Steps[Path]:
        """Save all files of several results as one ZIP, in a folder or under the name `to`; gives its path."""
        return (yield from self._download("/jobs/results.zip", to, "results.zip", params={"id": [*map(_id, results)]}))

    @_step
    def save_objects(self, results: Iterable[_Row[M] | str], to: File = ".") -> Steps[Path]:
        """Save the objects of several results as one CSV table, in a folder or under the name `to`; gives its path."""
        return (yield from self._download("/jobs/objects.csv", to, "objects.csv", params={"id": [*map(_id, results)]}))

    @_step
    def dataset(self, id: str | int) -> Steps[Dataset[M]]:
        """A dataset by its id."""
        return Dataset(self, (yield from self._json("GET", f"/datasets/{path_part(id)}")))

    @_step
    def create_dataset(self, /, name: str, task: str = "particles", **fields: Any) -> Steps[Dataset[M]]:
        """A new dataset of one kind of analysis. fields: material, instrument, licence, class_names."""
        return Dataset(self, (yield from self._json("POST", "/datasets", json={"name": name, "task": task, **fields})))

    @_step
    def training(self, id: str | int) -> Steps[Training[M]]:
        """A training by its id."""
        return Training(self, (yield from self._json("GET", f"/trainings/{path_part(id)}")))

    @_step
    def methods(self) -> Steps[list[Method[M]]]:
        """The methods of your account and of its groups."""
        return [Method(self, row) for row in (yield from self._json("GET", "/methods"))["methods"]]

    @_step
    def method(self, id: str) -> Steps[Method[M]]:
        """A method by its id."""
        return Method(self, (yield from self._json("GET", f"/methods/{path_part(id)}")))

    @_step
    def create_method(
        self,
        name: str,
        result: _Row[M] | str | None = None,
        *,
        description: dict[str, Any] | None = None,
        group: str = "",
    ) -> Steps[Method[M]]:
        """A new method, whose first version is a draft: of a finished result or of a description.

        group: a group of the account, whose members see and use it; without one it is yours alone.
        """
        sent = {"name": name, "group": group, **_source(result, description)}
        version = yield from self._json("POST", "/methods", json=sent)
        return Method(self, (yield from self._json("GET", f"/methods/{path_part(version['method'])}")))

    @_step
    def chart(self, id: str) -> Steps[dict[str, Any]]:
        """A control chart of a method by its id: state, limits, points and alarms."""
        return dict((yield from self._json("GET", f"/charts/{path_part(id)}")))

    @_step
    def change_chart(self, /, id: str, **plan: Any) -> Steps[dict[str, Any]]:
        """Change a control chart: way, rules, centre and sigma; both None for the limits of the first points."""
        return dict((yield from self._json("PATCH", f"/charts/{path_part(id)}", json={"plan": plan})))

    @_step
    def mark_point(
        self, id: str, point: int, note: str | None = None, excluded: str | None = None
    ) -> Steps[dict[str, Any]]:
        """Say what happened at a point of a chart. point: its id. excluded: the known cause for which it does not
        count. None leaves a text as it is, "" takes it away."""
        sent = {"note": note, "excluded": excluded}
        return dict((yield from self._json("PATCH", f"/charts/{path_part(id)}/points/{point}", json=sent)))

    @_step
    def delete_chart(self, id: str) -> Steps[None]:
        """Delete a control chart with its notes; results stay."""
        yield from self._ask("DELETE", f"/charts/{path_part(id)}")

    @_step
    def references(self) -> Steps[list[dict[str, Any]]]:
        """Your reference materials and those of your groups."""
        return list((yield from self._json("GET", "/references")))

    @_step
    def reference(self, id: str) -> Steps[dict[str, Any]]:
        """A reference material by its id."""
        return dict((yield from self._json("GET", f"/references/{path_part(id)}")))

    @_step
    def add_reference(self, material: Mapping[str, Any], group: str = "") -> Steps[dict[str, Any]]:
        """List a reference material as its certificate states it: name, quantity ("median"), value, expanded and k
        (uncertainty), measurand, certificate, source, batch; lengths in nm. group: of yours, whose accounts list it."""
        return dict((yield from self._json("POST", "/references", json={"material": dict(material), "group": group})))

    @_step
    def delete_reference(self, id: str) -> Steps[None]:
        """Take a reference material from the list; results that were compared with it keep its certificate."""
        yield from self._ask("DELETE", f"/references/{path_part(id)}")

    @_step
    def models(self) -> Steps[list[dict[str, Any]]]:
        """The models that you may use."""
        return list((yield from self._json("GET", "/models")))

    @_step
    def model(self, name: str) -> Steps[dict[str, Any]]:
        """A model, with its whole card."""
        return dict((yield from self._json("GET", f"/models/{path_part(name)}")))

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
        """Go through the steps of a call: send each request, sleep where a step is a number of seconds. An answer that
        does not come is handed to the steps, which decide whether to try again."""
        answer: Answer = None
        try:
            while True:
                step, answer = steps.send(answer), None
                if isinstance(step, float):
                    time.sleep(step)
                    continue
                try:
                    answer = self._http.request(step.method, step.path, **step.options)
                except httpx.TransportError as problem:
                    answer = problem
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> Iterator[T]:
        count = 0
        for number in itertools.count(1):
            result = self._run(page(number))
            yield from result.rows
            count += len(result.rows)
            if not result.rows or count == result.count:
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
        """Go through the steps of a call: send each request, sleep where a step is a number of seconds. An answer that
        does not come is handed to the steps, which decide whether to try again."""
        answer: Answer = None
        try:
            while True:
                step, answer = steps.send(answer), None
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    continue
                try:
                    answer = await self._http.request(step.method, step.path, **step.options)
                except httpx.TransportError as problem:
                    answer = problem
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    async def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> AsyncIterator[T]:
        count = 0
        for number in itertools.count(1):
            result = await self._run(page(number))
            for row in result.rows:
                yield row
            count += len(result.rows)
            if not result.rows or count == result.count:
                break
