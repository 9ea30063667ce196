"""`watch`: watches a folder, has a site measure each new image, and writes the results beside the image.

A folder of results contains the note STATE, a JSON file with the keys sha256, look (size and time of the image's file),
asked (options of the command), files (requested files), job (id of the result) or error. In the folder of the sample
the note has the keys sample (id) and files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from site import addsitedir
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.core.library.inputs import side_files
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.tasks import every
from segmentation.location import FILES

from . import _inputs as inputs
from .analyse import every_setting

if TYPE_CHECKING:
    from deepsegm_client import Client, Job, Result, Sample, SampleResult, Sync

TOKEN_VARIABLE = "DEEPSEGM_TOKEN"
STATE, ERROR = "watched.json", "error.txt"
POOLED = f"sample{inputs.RESULTS_SUFFIX}"  # name of the folder with the files of the sample
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload")  # suffixes of half-copied files
END_STATES = ("done", "failed", "cancelled")  # states of a job
BAD_IMAGE_STATUS = (400, 409, 413, 422)  # statuses with which a site refuses an image
NO_TOKEN = (
    f"Give --token or the environment variable {TOKEN_VARIABLE}: a token of your account page, or a secret of your own"
    " of 16 characters or more."
)
NOT_TAKEN = "The site did not take the file."
READ_SECONDS = 0.5  # between two requests while the site still reads the images of a sample
WAITING_IMAGES = "Images that wait for a yes on that page: {}."
SAMPLE_GONE = "The sample is not at the site any more: remove {} to begin a new one."


class BadImage(Exception):
    """The image cannot be measured; the message is one sentence."""


class TryLater(Exception):
    """The image could not be measured now and is tried again; the message is one sentence."""


class Command(BaseCommand):
    help = (
        "Have a site measure each new image of a folder, again and again until Ctrl-C, and lay the results beside it in"
        " IMAGE.deepsegm/. `analyse FOLDER` measures a folder without a site."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to watch, with the folders in it")
        parser.add_argument("--url", required=True, metavar="URL", help="address of the site")
        help_ = f"for that site; better by {TOKEN_VARIABLE}, which nobody else sees"
        parser.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE), metavar="TOKEN", help=help_)
        help_ = "folder for the results, if they are not to lie beside the images"
        parser.add_argument("--out", type=Path, metavar="DIR", help=help_)
        parser.add_argument("--width-nm", dest="width", metavar="W", help='image width: 7520, "7.52 um"')
        help_ = "pool the images as one sample"
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help=help_)
        help_ = "a method of the site that the images follow: NAME, or NAME@2 for a version"
        parser.add_argument("--method", metavar="NAME", help=help_)
        inputs.add_files_option(parser)
        parser.add_argument("--once", action="store_true", help="end when all images are measured")
        parser.add_argument("--every", type=_seconds, default=5.0, metavar="S", help="look again after S seconds (5)")
        help_ = "an image is complete when its size and time have not changed for S seconds (10)"
        parser.add_argument("--settle", type=_seconds, default=10.0, metavar="S", help=help_)
        inputs.add_setting_options(parser, every_setting())

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["folder"].is_dir():
            raise CommandError(f"There is no folder {options['folder']}.", returncode=inputs.BAD_INPUT)
        if options["sample"] and not options["token"]:
            raise CommandError(NO_TOKEN, returncode=inputs.BAD_INPUT)
        options["files"] = inputs.file_patterns(options["files"], every(), pooled=bool(options["sample"]))
        addsitedir(str(FILES / "client"))  # the client's package lies beside the server, but is no dependency of it
        from deepsegm_client import Client

        names = ("width", "method", *(setting.name for setting in every_setting()))
        folder = Folder(options, {name: options[name] for name in names if options[name] is not None})
        self.sentences: set[tuple[Path, str]] = set()
        with ExitStack() as stack:
            # A shell lets background processes ignore Ctrl-C, but it also ends a `watch` in the background.
            handlers = (signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, lambda *_: sys.exit(0))
            for number, handler in handlers:
                stack.callback(signal.signal, number, signal.signal(number, handler))
            try:
                client = stack.enter_context(Client(options["url"], token=options["token"]))
                self.watch(folder, Site(client, folder, options["sample"], self.stdout.write), options)
            except ValueError as error:
                raise CommandError(str(error), returncode=inputs.BAD_INPUT) from None
            except KeyboardInterrupt:
                self.stdout.write("\nStopped.")

    def watch(self, folder: Folder, site: Site, options: dict[str, Any]) -> None:
        """Measure new images until none is left (--once) or for ever."""
        while True:
            late, waiting = [], False  # images to try again; whether an image may still be written
            try:
                if not folder.path.is_dir():
                    raise TryLater("The folder cannot be reached.")
                images, waiting = folder.ready()
                late = [image for image in images if not self.measure_image(folder, site, image)]
                site.finish()
            except (TryLater, OSError) as problem:
                self.say(folder.path, problem)
                late.append(folder.path)
            if options["once"] and not waiting:
                images = folder.images()
                unread = [image for image in images if image not in late and not folder.state(image)]
                for image in unread:
                    self.stderr.write(f"{image}: The file is empty or cannot be read.")
                is_bad = late or unread or any("error" in folder.state(image) for image in images)
                sys.exit(inputs.BAD_INPUT if is_bad else 0)
            time.sleep(options["every"] if not options["once"] else min(options["every"], options["settle"] / 4))

    def measure_image(self, folder: Folder, site: Site, image: Path) -> bool:
        """Measure an image. Returns whether its results, or its error, are written; False: it must be tried again."""
        try:
            with folder.results(image) as (part, note):
                site.measure(image, part, note)
        except (TryLater, OSError) as problem:
            self.say(image, problem)
            return False
        if "error" in note:
            self.stderr.write(f"{image}: {note['error']}")
        return True

    def say(self, file: Path, problem: TryLater | OSError) -> None:
        """Write the sentence about a temporary problem on the terminal, each sentence once for each file."""
        sentence = str(problem) if isinstance(problem, TryLater) else inputs.error_sentence(problem)
        if (file, sentence) not in self.sentences:
            self.sentences.add((file, sentence))
            self.stderr.write(f"{file}: {sentence} It is tried again.")


class Folder:
    """The watched folder: which images are complete, which are measured, and where their results lie.

    requested: options for all images, by name; if they differ from the stored ones, images are measured again. files:
    patterns of the requested files; if they differ from the stored ones, files are fetched again. last_looks: size
    and time of each image when it was last checked, and since when they are the same. notes: the stored notes
    (STATE), as read.
    """

    def __init__(self, options: dict[str, Any], requested: dict[str, str]) -> None:
        self.path, self.out, self.settle = options["folder"], options["out"], options["settle"]
        self.requested, self.files = requested, list(options["files"])
        self.base: Path = self.out or self.path
        self.last_looks: dict[Path, tuple[list[int], float]] = {}
        self.notes: dict[Path, dict[str, Any]] = {}

    def results_of(self, image: Path) -> Path:
        """The folder of an image's results: beside it, or at the same place below `out`."""
        return self.base / image.relative_to(self.path).with_name(image.name + inputs.RESULTS_SUFFIX)

    def images(self) -> list[Path]:
        images, _ = inputs.images_in(self.path, excluded=self.out)
        return [image for image in images if image.suffix.lower() not in UNFINISHED]

    def state(self, image: Path) -> dict[str, Any]:
        """The note stored with the results of an image; {} without results."""
        folder = self.results_of(image)
        if image not in self.notes or not (folder / STATE).exists():
            self.notes[image] = _stored_note(folder)
        return self.notes[image]

    def has_files(self, state: dict[str, Any]) -> bool:
        """Whether the fetched files are the requested ones; version 1.0 noted none, because it fetched all."""
        return bool(state.get("files", self.files) == self.files)

    def ready(self) -> tuple[list[Path], bool]:
        """(images to measure now, whether other images may still be written)."""
        images, waiting = [], False
        for image in self.images():
            look, state = _size_and_time(image), self.state(image)
            if look is None or (
                state.get("look") == look and state["asked"] == self.requested and self.has_files(state)
            ):
                continue
            before, since = self.last_looks.get(image, (None, 0.0))
            if before != look:
                self.last_looks[image] = (look, time.monotonic())
            is_settled = before == look and time.monotonic() - since >= self.settle
            if not is_settled:
                waiting = True
            elif look[0]:
                images.append(image)
        return images, waiting

    @contextmanager
    def results(self, image: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A folder to write the results of an image into, and the note that is stored with them.

        At the end of the block the folder replaces that of older results. If the block raises BadImage, the folder
        holds its sentence. Raises TryLater if the image has changed meanwhile.
        """
        note: dict[str, Any] = {"sha256": sha256_of(image), "asked": self.requested, "look": self.last_looks[image][0]}
        note["files"] = self.files
        with replacing(self.results_of(image)) as part:
            try:
                yield part, note
            except BadImage as bad:
                (part / ERROR).write_text(f"{bad}\n", encoding="utf-8")
                note["error"] = str(bad)
            if _size_and_time(image) != note["look"]:
                raise TryLater("The file has changed while it was measured.")
            (part / STATE).write_text(json.dumps(note, indent=1), encoding="utf-8")
            self.notes[image] = note


class Site:
    """Has a site measure images by its API and, if the sample has a name, pool them.

    name: of the sample, or None. tell(line): writes a line on the terminal. changed: whether an image was added since
    the files of the sample were fetched.
    """

    def __init__(self, client: Client, folder: Folder, name: str | None, tell: Any) -> None:
        self.client, self.folder, self.name, self.tell = client, folder, name, tell
        self.pooled = folder.base / POOLED
        self.changed = False

    def measure(self, image: Path, part: Path, note: dict[str, Any]) -> None:
        """Write the results of an image into the folder `part`, and its job into `note`; raises BadImage, TryLater."""
        with self.errors_translated():
            before = self.folder.state(image)
            if "job" in before and (before["sha256"], before["asked"]) == (note["sha256"], note["asked"]):
                job = self.client.job(before["job"])  # only the time of the file has changed
            else:
                job = self._add_to_sample(image, note) if self.name else self._send(self.client.submit, image, note)
            note["job"] = job.id
            self._save(job.wait(), part)
        self.tell(f"{image} -> {self.folder.results_of(image)}: {job.page}")

    def _save(self, result: Result[Sync] | SampleResult[Sync], part: Path) -> None:
        """Fetch those of the requested files that this result has."""
        names = [name for name in result.files if any(fnmatchcase(name, pattern) for pattern in self.folder.files)]
        if names or not self.folder.files:
            result.save_files(part, *names)

    def _send(self, submit: Any, image: Path, note: dict[str, Any]) -> Any:
        """Send an image. The key depends on the image and the options, so that the site measures nothing twice if the
        command was killed before it could store its note."""
        identity = f"{self.folder.path.resolve()} {self.name} {note['sha256']} {sorted(note['asked'].items())}"
        key = hashlib.sha256(identity.encode()).hexdigest()
        return submit(image, key=key, side=_side_files_of(image), **self.folder.requested)

    def _add_to_sample(self, image: Path, note: dict[str, Any]) -> Job[Sync]:
        """Add an image to the sample (the first image begins it), and return its job.

        Older rows of the same image are left out of the sample: the image has changed since, or the command was killed
        before it could store its note.
        """
        row, self.changed = self._sample(), True
        if row:
            _wait_until_read(row)
        before = {image_row["id"]: image_row["name"] for image_row in row.images} if row else {}
        others = {self.folder.state(other).get("job") for other in self.folder.images() if other != image}
        if row is None:
            row = self._send(self._begin_sample, image, note)
        else:
            row.add([image, *_side_files_of(image)])
        _wait_until_read(row)
        new = [image_row["id"] for image_row in row.images if image_row["id"] not in before]
        if not new:
            sentences = [line["sentence"] for line in row.data["notes"] if line["name"] == image.name]
            raise BadImage(sentences[-1] if sentences else NOT_TAKEN)
        for pk, name in before.items():
            if name == image.name and pk not in others:
                row.include(pk, False)
        return self.client.job(new[0])

    def _begin_sample(self, image: Path, side: list[Path], **fields: Any) -> Sample[Sync]:
        row = self.client.submit_sample([image, *side], self.name or "", **fields)
        with replacing(self.pooled) as part:
            (part / STATE).write_text(json.dumps({"sample": row.id}), encoding="utf-8")
        return row

    def _sample(self) -> Sample[Sync] | None:
        """The sample of this folder; None before the first image."""
        pk = _stored_note(self.pooled).get("sample")
        return self.client.sample_by_id(pk) if pk else None

    def finish(self) -> None:
        """Fetch the files of the sample if they are missing, or if an image is new or changed."""
        fetched = _stored_note(self.pooled).get("files") == self.folder.files
        if not self.name or (fetched and not self.changed):
            return
        try:
            with self.errors_translated():
                if (row := self._sample()) is None:
                    return
                result = row.wait()
                with replacing(self.pooled) as part:
                    self._save(result, part)
                    note = {"sample": row.id, "files": self.folder.files}
                    (part / STATE).write_text(json.dumps(note), encoding="utf-8")
        except BadImage:  # the images could not be pooled: there are no files
            return
        self.changed = False
        self.tell(f"{self.name} -> {self.pooled}: {row.page}")
        if growth := result.growth:
            self.tell(growth["sentence"])
            if growth["waiting"]:
                self.tell(WAITING_IMAGES.format(growth["waiting"]))

    @contextmanager
    def errors_translated(self) -> Iterator[None]:
        """A block in which an error of the site becomes BadImage, TryLater, or the error that ends the command."""
        from deepsegm_client import DeepSegmError, Failed, Refused

        try:
            yield
        except DeepSegmError as error:
            status = error.status if isinstance(error, Refused) else 0
            if isinstance(error, Failed) or status in BAD_IMAGE_STATUS:
                raise BadImage(str(error)) from None
            if status == 404 and _stored_note(self.pooled):
                raise CommandError(SAMPLE_GONE.format(self.pooled), returncode=inputs.BAD_INPUT) from None
            if status in (401, 403):
                raise CommandError(str(error), returncode=inputs.BAD_INPUT) from None
            raise TryLater(str(error)) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new folder that replaces `path` at the end of the block; it is removed after an error."""
    part, old = (path.with_name(f".{path.name}.{end}") for end in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _size_and_time(file: Path) -> list[int] | None:
    """Size (bytes) and time of change (ns) of a file; None if it does not exist any more."""
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _stored_note(folder: Path) -> dict[str, Any]:
    """The note (STATE) in a folder of results; {} without one."""
    try:
        note: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note


def _wait_until_read(row: Sample[Sync]) -> None:
    """Wait until the site has read all images that were sent to a sample. Before that it does not list all of them."""
    row.refresh()
    while row.state == "waiting" and row.data["under_way"] > sum(
        image["state"] not in END_STATES for image in row.images
    ):
        time.sleep(READ_SECONDS)
        row.refresh()


def _side_files_of(image: Path) -> list[Path]:
    return [path for _, path in side_files(image)]


def _seconds(text: str) -> float:
    seconds = inputs.number_of(text)
    if not 0 <= seconds <= 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
