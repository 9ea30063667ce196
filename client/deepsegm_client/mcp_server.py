"""`deepsegm-mcp`, which offers a DeepSegm site to agents as tools of the Model Context Protocol
(docs/use/agents.md)."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from ._client import AsyncClient
from ._errors import DeepSegmError
from ._jobs import Result
from ._samples import SampleResult
from ._steps import Async

# Annotations of tools that only read, and of tools that add something.
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
MOST_OBJECTS, MOST_RESULTS = 500, 100  # rows in one answer
INSTRUCTIONS = (
    "DeepSegm measures what is in electron micrographs. Give each number with unit and `interval` (95 %), and every "
    "warning. Sizes are in pixels where the scale of an image is not known: ask for its width."
)


@contextmanager
def _as_tool_error() -> Iterator[None]:
    """A block in which an error of the site or of a file becomes a ToolError, whose sentence the agent reads."""
    try:
        yield
    except (DeepSegmError, OSError) as problem:
        raise ToolError(str(problem)) from problem


def _progress(context: Context) -> Callable[[str, float], object]:
    """The argument `progress` of `wait`: a function that reports the progress to the program of the agent."""
    reports = set[asyncio.Task[None]]()  # without a reference, a task may be deleted before it has run

    def report(stage: str, done: float) -> None:
        reports.add(asyncio.ensure_future(context.report_progress(done, 1.0, stage)))

    return report


def _summary(result: Result[Async] | SampleResult[Async]) -> dict[str, Any]:
    """The part of a result that an agent reads."""
    summary = {"id": result.id, "page": result.page, "numbers": result.numbers, "warnings": result.warnings}
    check = {"scale_check": result.data.get("scale_check")}
    images = {"images": result.images} if isinstance(result, SampleResult) else {}
    method = {"method": result.method} if result.method else {}
    return {**summary, **method, **check, **images, "files": result.files}


def _method_or_task(task: str, method: str) -> dict[str, str]:
    """The setting that chooses the analysis: a method, else the kind of analysis (task)."""
    return {"method": method} if method else {"task": task}


class ReadingTools:
    """The tools that only read. The docstring of a tool is its description for the agent."""

    def __init__(self, site: AsyncClient) -> None:
        self.site = site

    async def _result(self, id: str) -> Result[Async]:
        return await (await self.site.job(id)).wait()

    async def list_kinds(self) -> list[dict[str, Any]]:
        """The kinds of analysis (task), each with its models and settings."""
        with _as_tool_error():
            return await self.site.tasks()

    async def list_methods(self) -> list[dict[str, Any]]:
        """The methods of the laboratory: name and versions, each with its state."""
        with _as_tool_error():
            rows = await self.site.methods()
        return [
            {
                "name": row.data["name"],
                "versions": [{"number": version["number"], "state": version["state"]} for version in row.versions],
            }
            for row in rows
        ]

    async def list_results(self, limit: int = 20) -> list[dict[str, Any]]:
        """Your analyses, the newest first: id, image, state, time, page; at most 100."""
        rows: list[dict[str, Any]] = []
        with _as_tool_error():
            async for job in self.site.jobs():
                if len(rows) >= min(limit, MOST_RESULTS):
                    break
                columns = {name: job.data.get(name) for name in ("state", "created", "task", "error")}
                rows.append({"id": job.id, "image": job.data["image"]["name"], "page": job.page, **columns})
        return rows

    async def read_result(self, id: str) -> dict[str, Any]:
        """Numbers, each with its 95 % interval, warnings, files of an analysis; waits for its end."""
        with _as_tool_error():
            return _summary(await self._result(id))

    async def read_sample(self, id: str) -> dict[str, Any]:
        """Pooled numbers, each with its 95 % interval, warnings, images, files of a sample; waits for its end."""
        with _as_tool_error():
            return _summary(await (await self.site.sample_by_id(id)).wait())

    async def read_objects(self, id: str, limit: int = 100, left_out: bool = False) -> list[dict[str, Any]]:
        """The table of an analysis, a row for each object (at most 500); units stand in the names of the columns.

        left_out: also the objects that do not count, each with its reason.
        """
        with _as_tool_error():
            rows = await (await self._result(id)).rows
        return [row for row in rows if left_out or row.get("kept", True)][: max(0, min(limit, MOST_OBJECTS))]

    async def show_figure(self, id: str) -> Image:
        """The figure of an analysis, small: image, outlines, what is possibly wrong, histogram of sizes."""
        with _as_tool_error():
            return Image(data=await (await self._result(id)).read("figure-small.webp"), format="webp")


class AddingTools(ReadingTools):
    """The tools that only read, and tools that send images from one folder and save files only there."""

    def __init__(self, site: AsyncClient, folder: Path) -> None:
        super().__init__(site)
        self.folder = folder.resolve()

    def _path_inside(self, path: str) -> Path:
        """The path of a file in the folder; raises ToolError for any other path."""
        try:
            inside = (self.folder / path).resolve()
            inside.exists()  # raises an error for a name that no file can have
        except (OSError, ValueError):
            raise ToolError(f"There is no file {path!r} in {self.folder}.") from None
        if not inside.is_relative_to(self.folder):
            raise ToolError(f"{path} is outside {self.folder}, the only folder that may be used here.")
        return inside

    async def analyse(
        self,
        path: str,
        context: Context,
        width: str | None = None,
        task: str = "particles",
        settings: dict[str, Any] | None = None,
        method: str = "",
    ) -> dict[str, Any]:
        """Send an image of the folder, wait, and read its numbers.

        width: of the whole image, such as "7520 nm"; leave it out where the file has its scale. task and settings: by
        the names of list_kinds. method: in place of a task, NAME or NAME@2 of list_methods.
        """
        if not (image := self._path_inside(path)).is_file():
            raise ToolError(f"There is no file {path} in {self.folder}.")
        with _as_tool_error():
            job = await self.site.submit(image, width, **_method_or_task(task, method), **(settings or {}))
            return _summary(await job.wait(progress=_progress(context)))

    async def analyse_folder(
        self,
        path: str,
        context: Context,
        name: str = "",
        width: str | None = None,
        task: str = "particles",
        method: str = "",
    ) -> dict[str, Any]:
        """Send the files of a folder as images of one material, wait, and read the pooled numbers.

        method: in place of a task, NAME or NAME@2 of list_methods.
        """
        inside = self._path_inside(path)
        files = sorted(file for file in inside.iterdir() if file.is_file()) if inside.is_dir() else []
        for file in files:
            self._path_inside(str(file))  # raises an error for a link that leads out
        if not files:
            raise ToolError(f"{path} is no folder with files inside {self.folder}.")
        with _as_tool_error():
            sample = await self.site.submit_sample(
                files, name or inside.name, width=width, **_method_or_task(task, method)
            )
            return _summary(await sample.wait(progress=_progress(context)))

    async def download(self, id: str, file: str) -> str:
        """Save a file of an analysis, by a name that read_result lists, in the folder; gives its path."""
        with _as_tool_error():
            return str(await (await self._result(id)).download(file, self._path_inside(f"{id}-{file}")))


def make_server(site: AsyncClient, folder: Path | None) -> MCPServer[Any]:
    """The MCP server for a site. folder: where images may be read and files saved; None for tools that only read."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[None]:
        async with site:
            yield

    mcp = MCPServer[Any](
        "deepsegm", title="DeepSegm", instructions=INSTRUCTIONS, lifespan=lifespan, log_level="WARNING"
    )
    reader = ReadingTools(site)
    reading: list[Callable[..., Any]] = [reader.list_kinds, reader.list_methods, reader.list_results]
    reading += [reader.read_result, reader.read_sample, reader.read_objects, reader.show_figure]
    sender = AddingTools(site, folder) if folder else None
    adding: list[Callable[..., Any]] = [sender.analyse, sender.analyse_folder, sender.download] if sender else []
    for tool in (*reading, *adding):
        mcp.tool(annotations=ADDS if tool in adding else READS)(tool)
    return mcp


def main() -> None:
    """Run the server. The environment variable DEEPSEGM_URL is the site, DEEPSEGM_TOKEN a token of its account page."""
    parser = argparse.ArgumentParser(prog="deepsegm-mcp", description="A DeepSegm site as tools of an agent.")
    parser.add_argument("--folder", type=Path, help="analyse its images and save files in it; without it only read")
    parser.add_argument("--http", type=int, metavar="PORT", help="serve http://127.0.0.1:PORT/mcp instead of stdin")
    options = parser.parse_args()
    if options.folder and not options.folder.is_dir():
        sys.exit(f"{options.folder} is no folder. Make it first, or name another one.")
    try:
        url, token = os.environ.get("DEEPSEGM_URL", "http://127.0.0.1:8000"), os.environ.get("DEEPSEGM_TOKEN")
        mcp = make_server(AsyncClient(url, token=token or None), options.folder)
    except ValueError as problem:
        sys.exit(f"DEEPSEGM_URL: {problem}")
    if options.http:
        mcp.run("streamable-http", port=options.http)
    else:
        mcp.run("stdio")


if __name__ == "__main__":
    main()
