"""A folder watched: each new image is measured, on this machine or by a site, and its results are laid beside it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
import zipfile
from argparse import ArgumentTypeError
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from site import addsitedir
from typing import TYPE_CHECKING, Any

from django.conf import settings as configured
from django.core.management.base import CommandError, CommandParser

from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network import cards
from segmentation.core.network.cards import AlteredWeights, NoDevice
from segmentation.core.settings import DEFAULT_TASK
from segmentation.core.tasks import UnknownTask, find

from . import _inputs as inputs
from . import analyse
from ._watching import STATE, Bad, Folder, Later, appearing, sha256_of

if TYPE_CHECKING:
    from deepsegm_client import Client, DeepSegmError, Job, Sample, Sync

    from segmentation.core.sample import Member

TOKEN = "DEEPSEGM_TOKEN"
POOLED = f"sample{inputs.RESULTS}"  # the folder of the pooled files
ENDED = ("done", "failed", "cancelled")
STORED = "segmentation.npz"
OURS = (400, 409, 413, 422)  # a site that answers so does not like the image
NO_TOKEN = (
    f"Give --token or the environment variable {TOKEN}: a token of your account page, or a secret of your own of 16"
    " characters or more."
)
NO_PIXEL = "A site takes the width of the image: give --width-nm in place of --nm-per-pixel."
ONLY_SITE = "--token is for a site: give --url, too."
NOT_TAKEN = "The site did not take the file."
READ_SECONDS = 0.5  # between two looks at a sample whose images the site still reads
GONE = "The sample is not at the site any more: remove {} to begin a new one."


class Command(analyse.Command):
    help = (
        "Measure each new image of a folder, again and again until Ctrl-C, and lay the results beside it in"
        " IMAGE.deepsegm/; with --url on a site, else on this machine."
    )
    out_help = "folder for the results, if they are not to lie beside the images"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--url", metavar="URL", help="address of a site that measures")
        parser.add_argument(
            "--token", metavar="TOKEN", help=f"for that site; better by {TOKEN}, which nobody else sees"
        )
        parser.add_argument("--once", action="store_true", help="end once all images are measured")
        parser.add_argument("--every", type=_seconds, default=5.0, metavar="S", help="look again after S seconds (5)")
        help_ = "an image is whole once its size and time have not changed for S seconds (10)"
        parser.add_argument("--settle", type=_seconds, default=10.0, metavar="S", help=help_)

    def add_images(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to watch, with the folders in it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["folder"].is_dir():
            raise CommandError(f"There is no folder {options['folder']}.", returncode=inputs.BAD_INPUT)
        self.said: set[tuple[Path, str]] = set()
        asked = {each.name: options[each.name] for each in analyse.every_setting() if options[each.name] is not None}
        if size := options["size"]:
            found = size(1000)
            asked["size"] = [isinstance(size, partial), found.nm_per_pixel, found.relative_uncertainty]
        folder = Folder(options["folder"], options["out"], options["settle"], asked)
        with ExitStack() as stack:
            # A shell ignores Ctrl-C for background processes.
            for number, then in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, _end)):
                stack.callback(signal.signal, number, signal.signal(number, then))
            measured: Any = (Site if options["url"] else Here)(self, folder, options, stack)
            try:
                self.watch(folder, measured, options)
            except KeyboardInterrupt:
                self.stdout.write("\nStopped.")

    def watch(self, folder: Folder, measured: Here | Site, options: dict[str, Any]) -> None:
        """Look and measure until nothing is left (--once) or forever."""
        while True:
            late, waiting = [], False
            try:
                if not folder.path.is_dir():
                    raise Later("The folder cannot be reached.")
                images, waiting = folder.ready()
                late = [image for image in images if not self.measured(folder, measured, image)]
                measured.finish()
            except (Later, OSError) as problem:
                self.say(folder.path, _why(problem))
                late.append(folder.path)
            if options["once"] and not waiting:
                unread = [image for image in folder.images() if image not in late and not folder.state(image)]
                for image in unread:
                    self.stderr.write(f"{image}: The file is empty or cannot be read.")
                bad = [image for image in folder.images() if "error" in folder.state(image)]
                sys.exit(inputs.BAD_INPUT if late or unread or bad else 0)
            time.sleep(options["every"] if not options["once"] else min(options["every"], options["settle"] / 4))

    def measured(self, folder: Folder, measured: Here | Site, image: Path) -> bool:
        """Whether there is a result of an image, or the reason why there is none, now; False: it must wait."""
        try:
            sha256 = sha256_of(image)
            if folder.is_only_touched(image, sha256):
                return True
            with folder.results(image, sha256) as (part, note):
                measured.measure(image, part, note)
        except (Later, OSError) as problem:
            self.say(image, _why(problem))
            return False
        if "error" in note:
            self.stderr.write(f"{image}: {note['error']}")
        return True

    def say(self, about: Path, sentence: str) -> None:
        """A sentence that is true for a while, once."""
        if (about, sentence) not in self.said:
            self.said.add((about, sentence))
            self.stderr.write(f"{about}: {sentence} It is tried again.")


class Here:
    """Measures on this machine."""

    def __init__(self, command: Command, folder: Folder, options: dict[str, Any], stack: ExitStack) -> None:
        self.command, self.folder, self.options = command, folder, options
        if options["token"]:
            raise CommandError(ONLY_SITE, returncode=inputs.BAD_INPUT)
        try:
            options["model"] = options["model"] or cards.automatic(DEFAULT_TASK)
            task = find(cards.stands_for(options["model"])[0].task)
        except (cards.UnknownModel, UnknownTask) as error:
            raise CommandError(inputs.sentence(error), returncode=inputs.BAD_INPUT) from error
        self.settings = inputs.settings(task, analyse.every_setting(), options)
        self.members: dict[Path, tuple[str, Member]] = {}
        self.pooled = (folder.out or folder.path) / POOLED

    def measure(self, image: Path, part: Path, note: dict[str, Any]) -> None:
        try:
            analysis = self.command.written(image, part, self.settings, self.options)
            self.command.tell(image, self.folder.place(image), analysis)
            if self.options["sample"]:
                analysis.segmentation.save(part / STORED)
        except (UnreadableImage, MemoryError) as error:
            raise Bad(inputs.sentence(error)) from None
        except (AlteredWeights, NoDevice) as error:
            raise CommandError(inputs.sentence(error), returncode=inputs.BAD_INPUT) from error

    def finish(self) -> None:
        """Pool the images where some are new, changed or gone."""
        if not self.options["sample"]:
            return
        states = {image: self.folder.state(image) for image in self.folder.images()}
        states = {image: state for image, state in states.items() if "sha256" in state}
        now = [self.options["sample"], *sorted([str(image), str(state)] for image, state in states.items())]
        if now == _noted(self.pooled).get("images") or not states:
            return
        try:
            members = [self._member(image, state) for image, state in states.items() if "error" not in state]
            failed = [(image, state["error"]) for image, state in states.items() if "error" in state]
            with appearing(self.pooled) as part:
                name, settings = self.options["sample"], self.settings.measurement
                self.command.pool(name, part, settings, members, failed, self.pooled)
                (part / STATE).write_text(json.dumps({"images": now}), encoding="utf-8")
        except (OSError, UnreadableImage) as error:
            raise Later(inputs.sentence(error)) from None

    def _member(self, image: Path, state: dict[str, Any]) -> Member:
        """What pooling needs of an image; the outlines of an earlier run are measured again, without the network."""
        from segmentation.core.labels.segmentation import Segmentation
        from segmentation.core.pipeline import measure
        from segmentation.core.report.exports.viewer import thumbnail
        from segmentation.core.sample import Member

        sha256, known = self.members.get(image, ("", None))
        if known is None or sha256 != state["sha256"]:
            micrograph, settings = self.command.opened(image, self.settings, self.options)
            analysis = measure(micrograph, Segmentation.load(self.folder.place(image) / STORED), settings)
            known = Member.of(analysis, thumbnail(analysis))
            self.members[image] = (state["sha256"], known)
        return known


class Site:
    """Has a site measure."""

    def __init__(self, command: Command, folder: Folder, options: dict[str, Any], stack: ExitStack) -> None:
        self.command = command
        # The client lies beside the server, which does not depend on it.
        addsitedir(str(configured.BASE_DIR / "client"))
        from deepsegm_client import Client

        self.folder, self.name = folder, options["sample"]
        token = options["token"] or os.environ.get(TOKEN)
        if self.name and not token:
            raise CommandError(NO_TOKEN, returncode=inputs.BAD_INPUT)
        self.fields = {name: value for name, value in folder.asked.items() if name != "size"}
        if options["size"]:
            if not isinstance(options["size"], partial):
                raise CommandError(NO_PIXEL, returncode=inputs.BAD_INPUT)
            self.fields["width"] = options["size"].keywords["typed"]
        try:
            self.client: Client = stack.enter_context(Client(options["url"], token=token))
        except ValueError as error:
            raise CommandError(str(error), returncode=inputs.BAD_INPUT) from None
        self.pooled = (folder.out or folder.path) / POOLED
        self.changed = False

    def measure(self, image: Path, part: Path, note: dict[str, Any]) -> None:
        from deepsegm_client import DeepSegmError

        try:
            job = self._in_sample(image, note) if self.name else self._alone(image, note)
            note["job"] = job.id
            bundle = job.wait().read("bundle.zip")
        except DeepSegmError as error:
            raise _meant(error, self.pooled) from None
        _unpack(bundle, part)
        self.command.stdout.write(f"{image} -> {self.folder.place(image)}: {job.page}")

    def _key(self, note: dict[str, Any]) -> str:
        """The same for the same image, folder and settings, so that a killed watcher has nothing measured twice."""
        said = f"{self.folder.path.resolve()} {self.name} {note['sha256']} {sorted(note['asked'].items())}"
        return hashlib.sha256(said.encode()).hexdigest()

    def _alone(self, image: Path, note: dict[str, Any]) -> Job[Sync]:
        return self.client.submit(image, side=_side(image), key=self._key(note), **self.fields)

    def _in_sample(self, image: Path, note: dict[str, Any]) -> Job[Sync]:
        """The analysis of an image in the sample, which begins with the first image. An older one of it is left out."""
        row = self._sample()
        if row:
            _read(row)  # a watcher that was killed may have added the image
        before = {each["id"] for each in row.images} if row else set()
        noted = {self.folder.state(each).get("job") for each in self.folder.images()}
        for each in row.images if row else ():
            if each["name"] == image.name and each["id"] not in noted:
                job = self.client.job(each["id"])
                if _sha256_of(job) == note["sha256"]:
                    return job
        self.changed = True
        if row is None:
            row = self.client.submit_sample([image, *_side(image)], self.name, key=self._key(note), **self.fields)
            with appearing(self.pooled) as part:
                (part / STATE).write_text(json.dumps({"sample": row.id}), encoding="utf-8")
        else:
            row.add([image, *_side(image)])
        _read(row)
        new = [each["id"] for each in row.images if each["id"] not in before]
        if not new:
            said = [each["sentence"] for each in row.data["notes"] if each["name"] == image.name]
            raise Bad(said[-1] if said else NOT_TAKEN)
        if older := self.folder.state(image).get("job"):
            row.include(older, False)
        return self.client.job(new[0])

    def _sample(self) -> Sample[Sync] | None:
        """The sample of this folder; None before the first image."""
        known = _noted(self.pooled).get("sample")
        return self.client.sample_by_id(known) if known else None

    def finish(self) -> None:
        """Fetch the pooled files where an image is new or changed."""
        from deepsegm_client import DeepSegmError, Failed

        whole = (self.pooled / "bundle.zip").exists()
        try:
            if not self.name or (whole and not self.changed) or (row := self._sample()) is None:
                return
            bundle = row.wait().read("bundle.zip")
        except Failed:
            return  # each image has its reason beside it
        except DeepSegmError as error:
            raise _meant(error, self.pooled) from None
        with appearing(self.pooled) as part:
            _unpack(bundle, part)
            (part / STATE).write_text(json.dumps({"sample": row.id}), encoding="utf-8")
        self.changed = False
        self.command.stdout.write(f"{self.name} -> {self.pooled}: {row.page}")


def _read(row: Sample[Sync]) -> None:
    """Wait until a site has read all images that were sent to a sample: only then it lists them or says why not."""
    row.refresh()
    while row.state == "waiting" and row.data["under_way"] > sum(each["state"] not in ENDED for each in row.images):
        time.sleep(READ_SECONDS)
        row.refresh()


def _noted(folder: Path) -> dict[str, Any]:
    """What was noted with the pooled files; {} where there are none."""
    try:
        found: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _unpack(bundle: bytes, part: Path) -> None:
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        archive.extractall(part)
    (part / "bundle.zip").write_bytes(bundle)


def _sha256_of(job: Job[Sync]) -> str:
    """Of the image that a job has analysed, "" where it failed."""
    from deepsegm_client import Failed

    try:
        return str(json.loads(job.wait().read("result.json"))["image"]["sha256"])
    except Failed:
        return ""


def _side(image: Path) -> list[Path]:
    return [path for _, path in inputs.beside(image)]


def _meant(error: DeepSegmError, pooled: Path) -> Exception:
    """What an error of a site means for the image that was sent."""
    from deepsegm_client import Failed, Refused

    status = error.status if isinstance(error, Refused) else 0
    if isinstance(error, Failed) or status in OURS:
        return Bad(str(error))
    if status == 404 and _noted(pooled):
        return CommandError(GONE.format(pooled), returncode=inputs.BAD_INPUT)
    if status in (401, 403):
        return CommandError(str(error), returncode=inputs.BAD_INPUT)
    return Later(str(error))


def _why(problem: Later | OSError) -> str:
    return str(problem) if isinstance(problem, Later) else inputs.sentence(problem)


def _end(*signal: Any) -> None:
    sys.exit(0)


def _seconds(text: str) -> float:
    found = inputs.number_of(text)
    if not 0 <= found <= 86_400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found
