"""`Client` and `AsyncClient`, through which a program uses a DeepSegm site."""

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

from ._errors import Unreachable, _successful_answer
from ._jobs import Job, Progress, Result, _Measured, _Row
from ._learning import Dataset, Training
from ._methods import Method, _source
from ._parts import File, _form, _id, _new_key, _part, _retry_after, _save
from ._samples import Sample, SampleResult
from ._steps import Answer, Async, M, Steps, Sync, T, _Page, _paged, _Request, _step, _UsesClient, path_part

if TYPE_CHECKING:
    from ._parts import Image

REPEATABLE_METHODS = ("GET", "PUT", "DELETE")  # methods of HTTP that may be sent twice without harm
LONGEST_KEY = 200  # characters of an Idempotency-Key that a site reads
LONGEST_PAUSE_SECONDS = 60.0  # seconds: if a site asks for a longer pause, a request is not repeated
CONNECTION_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # errors before a request was sent


class _Client(_UsesClient[M]):
    """The methods that Client and AsyncClient share, written as steps (`_steps`). M: Sync or Async."""

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
        """url: address of the site, such as http://127.0.0.1:8000. token: from the account page; or give user and
        password.

        Without an account, results belong to everybody who knows `secret` (16 characters or more); without one a
        random secret is made. retries: how often a request is sent again if the site is busy or cannot be reached.
        timeout: seconds to wait for one answer. transport: an httpx transport, for example for a proxy.
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
        """Run the steps; gives the value that they return in the end."""
        raise NotImplementedError

    def _pages(self, page: Callable[[int], Steps[_Page[T]]]) -> Any:
        """The rows of all pages of a list, one after the other. page(number): the steps that give one page, from 1."""
        raise NotImplementedError

    def _ask(self, method: str, path: str, *, key: str = "", **options: Any) -> Steps[httpx.Response]:
        """Send a request, and repeat it up to `retries` times until it is answered; gives the answer.

        key: the site treats requests with the same key as one, so that a request may be repeated if its answer was
        lost. Raises Refused, Outdated, Unreachable.
        """
        is_repeatable = bool(key) or method in REPEATABLE_METHODS
        if len(key) > LONGEST_KEY or not key.isascii():
            key = hashlib.sha256(key.encode()).hexdigest()
        options["headers"] = {"Idempotency-Key": key} if key else {}
        for attempt in range(self.retries + 1):
            pause = min(0.5 * 2**attempt, 15.0)
            answer = yield _Request(method, path, options)
            if isinstance(answer, httpx.Response):
                is_busy = answer.status_code == 429 or (is_repeatable and answer.status_code in (502, 503, 504))
                pause = _retry_after(answer) or pause
                if method == "DELETE" and attempt and answer.status_code == 404:
                    return answer  # deleted by an earlier try, whose answer was lost
                if not is_busy or attempt == self.retries or pause > LONGEST_PAUSE_SECONDS:
                    return _successful_answer(answer, self.url)
            elif attempt == self.retries or not (is_repeatable or isinstance(answer, CONNECTION_ERRORS)):
                raise Unreachable(f"{self.url} cannot be reached ({str(answer) or type(answer).__name__}).") from answer
            yield pause
        raise AssertionError("unreachable")

    def _json(self, method: str, path: str, **options: Any) -> Steps[Any]:
        """The JSON of an answer; raises as `_ask` does."""
        answer = yield from self._ask(method, path, **options)
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(f"{self.url} does not answer as DeepSegm.") from None

    def _download(self, path: str, to: File, name: str, **options: Any) -> Steps[Path]:
        """Save a file of the site, which may have to make it first; gives its path. name: of the file if `to` is a
        folder."""
        answer = yield from self._response_when_written(path, **options)
        return _save(Path(to) / name if Path(to).is_dir() else Path(to), answer.content)

    def _response_when_written(self, path: str, **options: Any) -> Steps[httpx.Response]:
        """The answer with a file, after the site has made it."""
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
        """Send an image for analysis, without waiting for the result.

        image: a file, the bytes of one, or an array (needs tifffile). name: the name of the image. width: of the whole
        image, such as "7520 nm"; without it the scale in the file is used. side: files that the microscope saved beside
        the image. settings: those of the page, such as filter=True, or a method: method="NAME", "NAME@2" or the id of a
        version. key: a request with the same key makes no second job.
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
        """Send an image and wait for its result. For the arguments see submit and Job.wait."""
        job = yield from self._submit(image, name, side, key, width=width, **settings)
        return (yield from job._wait_for_result(timeout, progress))

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
        """Send the images of one material, with side files, or as ZIP archives, without waiting for the pooled
        result."""
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
        """Send the images of one material and wait for their pooled result. See submit_sample and Sample.wait."""
        fields = {"name": name, "width": width, "nm_per_pixel": nm_per_pixel, **settings}
        sample = yield from self._submit_sample(files, key, **fields)
        return (yield from sample._wait_for_result(timeout, progress))

    @_step
    def sample_of_results(self, results: Iterable[_Row[M] | str], name: str = "", *, key: str = "") -> Steps[Sample[M]]:
        """A new sample of finished results, at most one of each image. The results are not changed. Wait for its pooled
        result."""
        sent = {"jobs": [*map(_id, results)], "name": name}
        return Sample(self, (yield from self._json("POST", "/samples/of-results", key=key or _new_key(), json=sent)))

    @_step
    def me(self) -> Steps[dict[str, Any]]:
        """Your account at this site: its name, its token, and whether it belongs to the staff."""
        return dict((yield from self._json("GET", "/me")))

    @_step
    def claim(self, secret: str) -> Steps[int]:
        """Move the results that were made with a secret into your account; gives the number of jobs."""
        return int((yield from self._json("POST", "/me/claim", json={"secret": secret}))["claimed"])

    @_step
    def tasks(self) -> Steps[list[dict[str, Any]]]:
        """The kinds of analysis, each with its models and settings."""
        return list((yield from self._json("GET", "/tasks"))["tasks"])

    @_step
    def job(self, id: str) -> Steps[Job[M]]:
        """The job with this id; its wait gives the result."""
        return Job(self, (yield from self._json("GET", f"/jobs/{path_part(id)}")))

    @_step
    def sample_by_id(self, id: str) -> Steps[Sample[M]]:
        """The sample with this id; its wait gives the pooled result."""
        return Sample(self, (yield from self._json("GET", f"/samples/{path_part(id)}")))

    def _list(self, row: Callable[[_Client[M], dict[str, Any]], T], kind: str, page: int) -> Steps[_Page[T]]:
        """One page of a list of the site. row: the class of its rows. kind: the part of the address, such as "jobs"."""
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
        """A comparison of two results or samples: their numbers with differences, and the objects that match."""
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
        """The dataset with this id."""
        return Dataset(self, (yield from self._json("GET", f"/datasets/{path_part(id)}")))

    @_step
    def create_dataset(self, /, name: str, task: str = "particles", **fields: Any) -> Steps[Dataset[M]]:
        """Make a dataset for one kind of analysis. fields: material, instrument, licence, class_names."""
        return Dataset(self, (yield from self._json("POST", "/datasets", json={"name": name, "task": task, **fields})))

    @_step
    def training(self, id: str | int) -> Steps[Training[M]]:
        """The training with this id."""
        return Training(self, (yield from self._json("GET", f"/trainings/{path_part(id)}")))

    @_step
    def methods(self) -> Steps[list[Method[M]]]:
        """The methods of your account and of its groups."""
        return [Method(self, row) for row in (yield from self._json("GET", "/methods"))["methods"]]

    @_step
    def method(self, id: str) -> Steps[Method[M]]:
        """The method with this id."""
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
        """Make a method. Its first version is a draft, made from a finished result or from a description.

        group: a group of the account, whose members can see and use the method; without one only you can.
        """
        sent = {"name": name, "group": group, **_source(result, description)}
        version = yield from self._json("POST", "/methods", json=sent)
        return Method(self, (yield from self._json("GET", f"/methods/{path_part(version['method'])}")))

    @_step
    def chart(self, id: str) -> Steps[dict[str, Any]]:
        """The control chart with this id: state, limits, points and alarms."""
        return dict((yield from self._json("GET", f"/charts/{path_part(id)}")))

    @_step
    def change_chart(self, /, id: str, **plan: Any) -> Steps[dict[str, Any]]:
        """Change a control chart. plan: way, rules, centre and sigma; the last two are None to take the limits from
        the first points."""
        return dict((yield from self._json("PATCH", f"/charts/{path_part(id)}", json={"plan": plan})))

    @_step
    def mark_point(
        self,
        id: str,
        point: int,
        note: str | None = None,
        excluded: str | None = None,
        included: bool | None = None,
    ) -> Steps[dict[str, Any]]:
        """Write a note at a point of a control chart, or exclude the point. point: its id. excluded: the known cause
        why it does not count. None leaves a text unchanged, "" removes it. included: whether a point counts that
        waits for a yes."""
        sent = {"note": note, "excluded": excluded, "included": included}
        return dict((yield from self._json("PATCH", f"/charts/{path_part(id)}/points/{point}", json=sent)))

    @_step
    def delete_chart(self, id: str) -> Steps[None]:
        """Delete a control chart with its notes. The results are kept."""
        yield from self._ask("DELETE", f"/charts/{path_part(id)}")

    @_step
    def references(self) -> Steps[list[dict[str, Any]]]:
        """Your reference materials and those of your groups."""
        return list((yield from self._json("GET", "/references")))

    @_step
    def reference(self, id: str) -> Steps[dict[str, Any]]:
        """The reference material with this id."""
        return dict((yield from self._json("GET", f"/references/{path_part(id)}")))

    @_step
    def add_reference(self, material: Mapping[str, Any], group: str = "") -> Steps[dict[str, Any]]:
        """Add a reference material to the list. material: what its certificate states: name, quantity ("median"),
        value, expanded and k (uncertainty), measurand, certificate, source, batch; lengths in nm. group: one of
        yours, whose members see it, too."""
        return dict((yield from self._json("POST", "/references", json={"material": dict(material), "group": group})))

    @_step
    def delete_reference(self, id: str) -> Steps[None]:
        """Remove a reference material from the list. Results that were compared with it keep its certificate."""
        yield from self._ask("DELETE", f"/references/{path_part(id)}")

    @_step
    def models(self) -> Steps[list[dict[str, Any]]]:
        """The models that you may use."""
        return list((yield from self._json("GET", "/models")))

    @_step
    def model(self, name: str) -> Steps[dict[str, Any]]:
        """The model with this name, and its card."""
        return dict((yield from self._json("GET", f"/models/{path_part(name)}")))

    @_step
    def set_default(self, model: str, site: bool = False) -> Steps[None]:
        """Make a model the default, which is used if no model is named. site: for everybody (staff only)."""
        yield from self._ask("PUT", "/models/default", json={"model": model, "site": site})

    @_step
    def restore_default(self, task: str = "particles", site: bool = False) -> Steps[None]:
        """Make the model the default again that was the default before the last set_default."""
        yield from self._ask("POST", "/models/default/back", json={"task": task, "site": site})


class Client(_Client[Sync]):
    """A site for programs without asyncio: `with Client("http://127.0.0.1:8000") as client: ...`."""

    _open = httpx.Client

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the site."""
        self._http.close()

    def _run(self, steps: Steps[T]) -> T:
        """Run the steps: send each request, and sleep if a step is a number of seconds. If no answer comes, the
        generator gets the error, and decides whether to try again."""
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
    """A site for programs with asyncio: `async with AsyncClient("http://127.0.0.1:8000") as client: ...`."""

    _open = httpx.AsyncClient

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the site."""
        await self._http.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        """Run the steps: send each request, and sleep if a step is a number of seconds. If no answer comes, the
        generator gets the error, and decides whether to try again."""
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
