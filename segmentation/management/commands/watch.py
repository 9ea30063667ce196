"""A folder watched: a site measures each new image, and its results are laid beside it."""

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

TOKEN = "DEEPSEGM_TOKEN"
STATE, ERROR = "watched.json", "error.txt"
POOLED = f"sample{inputs.RESULTS}"  # the folder of the pooled files
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload")  # names of half-copied files
ENDED = ("done", "failed", "cancelled")
OURS = (400, 409, 413, 422)  # a site that answers so does not like the image
NO_TOKEN = (
    f"Give --token or the environment variable {TOKEN}: a token of your account page, or a secret of your own of 16"
    " characters or more."
)
NOT_TAKEN = "The site did not take the file."
READ_SECONDS = 0.5  # between two looks at a sample whose images the site still reads
WAITING = "Images that wait for a yes on that page: {}."
GONE = "The sample is not at the site any more: remove {} to begin a new one."


class Bad(Exception):
    """The image cannot be measured; the message is one sentence."""


class Later(Exception):
    """Nothing is wrong with the image, so it is tried again; the message is one sentence."""


class Command(BaseCommand):
    help = (
        "Have a site measure each new image of a folder, again and again until Ctrl-C, and lay the results beside it in"
        " IMAGE.deepsegm/. `analyse FOLDER` measures a folder without a site."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to watch, with the folders in it")
        parser.add_argument("--url", required=True, metavar="URL", help="address of the site")
        help_ = f"for that site; better by {TOKEN}, which nobody else sees"
        parser.add_argument("--token", default=os.environ.get(TOKEN), metavar="TOKEN", help=help_)
        help_ = "folder for the results, if they are not to lie beside the images"
        parser.add_argument("--out", type=Path, metavar="DIR", help=help_)
        parser.add_argument("--width-nm", dest="width", metavar="W", help='image width: 7520, "7.52 um"')
        help_ = "pool the images as one sample"
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help=help_)
        help_ = "a method of the site that the images follow: NAME, or NAME@2 for a version"
        parser.add_argument("--method", metavar="NAME", help=help_)
        inputs.add_files(parser)
        parser.add_argument("--once", action="store_true", help="end when all images are measured")
        parser.add_argument("--every", type=_seconds, default=5.0, metavar="S", help="look again after S seconds (5)")
        help_ = "an image is complete when its size and time have not changed for S seconds (10)"
        parser.add_argument("--settle", type=_seconds, default=10.0, metavar="S", help=help_)
        inputs.add_settings(parser, every_setting())

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["folder"].is_dir():
            raise CommandError(f"There is no folder {options['folder']}.", returncode=inputs.BAD_INPUT)
        if options["sample"] and not options["token"]:
            raise CommandError(NO_TOKEN, returncode=inputs.BAD_INPUT)
        options["files"] = inputs.files(options["files"], every(), pooled=bool(options["sample"]))
        addsitedir(str(FILES / "client"))  # it lies beside the server, which does not depend on it
        from deepsegm_client import Client

        names = ("width", "method", *(setting.name for setting in every_setting()))
        folder = Folder(options, {name: options[name] for name in names if options[name] is not None})
        self.sentences: set[tuple[Path, str]] = set()
        with ExitStack() as stack:
            # A shell ignores Ctrl-C for background processes.
            for number, then in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, lambda *_: sys.exit(0))):
                stack.callback(signal.signal, number, signal.signal(number, then))
            try:
                client = stack.enter_context(Client(options["url"], token=options["token"]))
                self.watch(folder, Site(client, folder, options["sample"], self.stdout.write), options)
            except ValueError as error:
                raise CommandError(str(error), returncode=inputs.BAD_INPUT) from None
            except KeyboardInterrupt:
                self.stdout.write("\nStopped.")

    def watch(self, folder: Folder, site: Site, options: dict[str, Any]) -> None:
        """Look and measure until nothing is left (--once) or forever."""
        while True:
            late, waiting = [], False
            try:
                if not folder.path.is_dir():
                    raise Later("The folder cannot be reached.")
                images, waiting = folder.ready()
                late = [image for image in images if not self.measured(folder, site, image)]
                site.finish()
            except (Later, OSError) as problem:
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

    def measured(self, folder: Folder, site: Site, image: Path) -> bool:
        """Measure an image. Returns whether its results, or the reason why there are none, lie there; else it waits."""
        try:
            with folder.results(image) as (part, note):
                site.measure(image, part, note)
        except (Later, OSError) as problem:
            self.say(image, problem)
            return False
        if "error" in note:
            self.stderr.write(f"{image}: {note['error']}")
        return True

    def say(self, file: Path, problem: Later | OSError) -> None:
        """A sentence that is true for a while, once."""
        sentence = str(problem) if isinstance(problem, Later) else inputs.sentence(problem)
        if (file, sentence) not in self.sentences:
            self.sentences.add((file, sentence))
            self.stderr.write(f"{file}: {sentence} It is tried again.")


class Folder:
    """A folder that images come into: which of them are whole, which are measured, and where their results lie.

    requested: what the command line says of all images; where it says something else, they are measured anew. files:
    which files are asked for, as patterns; where these are others, they are fetched anew. seen: how each image looked
    last, and since when. notes: what was noted with its results, as read from the disk.
    """

    def __init__(self, options: dict[str, Any], requested: dict[str, str]) -> None:
        self.path, self.out, self.settle = options["folder"], options["out"], options["settle"]
        self.requested, self.files = requested, list(options["files"])
        self.base: Path = self.out or self.path
        self.seen: dict[Path, tuple[list[int], float]] = {}
        self.notes: dict[Path, dict[str, Any]] = {}

    def results_of(self, image: Path) -> Path:
        """Where the results of an image lie: a folder beside it, or the same below `out`."""
        return self.base / image.relative_to(self.path).with_name(image.name + inputs.RESULTS)

    def images(self) -> list[Path]:
        images, _ = inputs.images_in(self.path, but=self.out)
        return [image for image in images if image.suffix.lower() not in UNFINISHED]

    def state(self, image: Path) -> dict[str, Any]:
        """What was noted with the results of an image; {} where there are none."""
        folder = self.results_of(image)
        if image not in self.notes or not (folder / STATE).exists():
            self.notes[image] = _stored_note(folder)
        return self.notes[image]

    def has_files(self, state: dict[str, Any]) -> bool:
        """Whether the files that were fetched are those asked for; of version 1.0 they are all."""
        return bool(state.get("files", self.files) == self.files)

    def ready(self) -> tuple[list[Path], bool]:
        """The images to be measured now, and whether others may still be being written."""
        images, waiting = [], False
        for image in self.images():
            look, state = _look(image), self.state(image)
            if look is None or (
                state.get("look") == look and state["asked"] == self.requested and self.has_files(state)
            ):
                continue
            before, since = self.seen.get(image, (None, 0.0))
            if before != look:
                self.seen[image] = (look, time.monotonic())
            is_settled = before == look and time.monotonic() - since >= self.settle
            if not is_settled:
                waiting = True
            elif look[0]:
                images.append(image)
        return images, waiting

    @contextmanager
    def results(self, image: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A folder to write the results into, and a dictionary for what is to be noted with them.

        They appear at once and as a whole, in the place of older ones. A Bad image has its sentence instead.
        Raises Later where the image has changed meanwhile.
        """
        note: dict[str, Any] = {"sha256": sha256_of(image), "asked": self.requested, "look": self.seen[image][0]}
        note["files"] = self.files
        with appearing(self.results_of(image)) as part:
            try:
                yield part, note
            except Bad as bad:
                (part / ERROR).write_text(f"{bad}\n", encoding="utf-8")
                note["error"] = str(bad)
            if _look(image) != note["look"]:
                raise Later("The file has changed while it was measured.")
            (part / STATE).write_text(json.dumps(note, indent=1), encoding="utf-8")
            self.notes[image] = note


class Site:
    """Has a site measure, by its API; with a name as one sample, too."""

    def __init__(self, client: Client, folder: Folder, name: str | None, tell: Any) -> None:
        self.client, self.folder, self.name, self.tell = client, folder, name, tell
        self.pooled = folder.base / POOLED
        self.changed = False

    def measure(self, image: Path, part: Path, note: dict[str, Any]) -> None:
        """Write the results of an image into a folder, and note its job; raises Bad, Later."""
        with self.meaning():
            before = self.folder.state(image)
            if "job" in before and (before["sha256"], before["asked"]) == (note["sha256"], note["asked"]):
                job = self.client.job(before["job"])  # the file was touched only
            else:
                job = self._in_sample(image, note) if self.name else self._send(self.client.submit, image, note)
            note["job"] = job.id
            self._save(job.wait(), part)
        self.tell(f"{image} -> {self.folder.results_of(image)}: {job.page}")

    def _save(self, result: Result[Sync] | SampleResult[Sync], part: Path) -> None:
        """Fetch the files that are asked for, as far as this result has such."""
        names = [name for name in result.files if any(fnmatchcase(name, pattern) for pattern in self.folder.files)]
        if names or not self.folder.files:
            result.save_files(part, *names)

    def _send(self, submit: Any, image: Path, note: dict[str, Any]) -> Any:
        """Send an image; the same one has the same key, so that a killed watcher has nothing measured twice."""
        identity = f"{self.folder.path.resolve()} {self.name} {note['sha256']} {sorted(note['asked'].items())}"
        key = hashlib.sha256(identity.encode()).hexdigest()
        return submit(image, key=key, side=_side(image), **self.folder.requested)

    def _in_sample(self, image: Path, note: dict[str, Any]) -> Job[Sync]:
        """The analysis of an image in the sample, which begins with the first image.

        Older ones of it are left out: of an image that has changed, or that a killed watcher sent without noting it.
        """
        row, self.changed = self._sample(), True
        if row:
            _read(row)
        before = {image_row["id"]: image_row["name"] for image_row in row.images} if row else {}
        others = {self.folder.state(other).get("job") for other in self.folder.images() if other != image}
        if row is None:
            row = self._send(self._begin, image, note)
        else:
            row.add([image, *_side(image)])
        _read(row)
        new = [image_row["id"] for image_row in row.images if image_row["id"] not in before]
        if not new:
            sentences = [line["sentence"] for line in row.data["notes"] if line["name"] == image.name]
            raise Bad(sentences[-1] if sentences else NOT_TAKEN)
        for pk, name in before.items():
            if name == image.name and pk not in others:
                row.include(pk, False)
        return self.client.job(new[0])

    def _begin(self, image: Path, side: list[Path], **fields: Any) -> Sample[Sync]:
        row = self.client.submit_sample([image, *side], self.name or "", **fields)
        with appearing(self.pooled) as part:
            (part / STATE).write_text(json.dumps({"sample": row.id}), encoding="utf-8")
        return row

    def _sample(self) -> Sample[Sync] | None:
        """The sample of this folder; None before the first image."""
        pk = _stored_note(self.pooled).get("sample")
        return self.client.sample_by_id(pk) if pk else None

    def finish(self) -> None:
        """Fetch the pooled files where they are missing, or an image is new or changed; none if the pooling failed."""
        fetched = _stored_note(self.pooled).get("files") == self.folder.files
        if not self.name or (fetched and not self.changed):
            return
        try:
            with self.meaning():
                if (row := self._sample()) is None:
                    return
                result = row.wait()
                with appearing(self.pooled) as part:
                    self._save(result, part)
                    note = {"sample": row.id, "files": self.folder.files}
                    (part / STATE).write_text(json.dumps(note), encoding="utf-8")
        except Bad:
            return
        self.changed = False
        self.tell(f"{self.name} -> {self.pooled}: {row.page}")
        if growth := result.growth:
            self.tell(growth["sentence"])
            if growth["waiting"]:
                self.tell(WAITING.format(growth["waiting"]))

    @contextmanager
    def meaning(self) -> Iterator[None]:
        """Raise what an error of the site means for the image that was sent: Bad, Later, or the end of the command."""
        from deepsegm_client import DeepSegmError, Failed, Refused

        try:
            yield
        except DeepSegmError as error:
            status = error.status if isinstance(error, Refused) else 0
            if isinstance(error, Failed) or status in OURS:
                raise Bad(str(error)) from None
            if status == 404 and _stored_note(self.pooled):
                raise CommandError(GONE.format(self.pooled), returncode=inputs.BAD_INPUT) from None
            if status in (401, 403):
                raise CommandError(str(error), returncode=inputs.BAD_INPUT) from None
            raise Later(str(error)) from None


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A folder that takes the place of another one once it is whole; nothing is left of it after an error."""
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


def _look(file: Path) -> list[int] | None:
    """How a file looks from outside: size and time; None where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _stored_note(folder: Path) -> dict[str, Any]:
    """What was noted with the files of a folder; {} where there are none."""
    try:
        note: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note


def _read(row: Sample[Sync]) -> None:
    """Wait until a site has read all images that were sent to a sample: only then it lists them or says why not."""
    row.refresh()
    while row.state == "waiting" and row.data["under_way"] > sum(image["state"] not in ENDED for image in row.images):
        time.sleep(READ_SECONDS)
        row.refresh()


def _side(image: Path) -> list[Path]:
    return [path for _, path in side_files(image)]


def _seconds(text: str) -> float:
    seconds = inputs.number_of(text)
    if not 0 <= seconds <= 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
