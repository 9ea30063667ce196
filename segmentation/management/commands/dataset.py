"""`dataset`: checks a folder of images and labels before a training, cuts it into tiles, and exchanges such folders
with the datasets of the site."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files import File
from django.core.management.base import CommandError, CommandParser

from segmentation.core.learning import dataset_files as files
from segmentation.core.masks import truth
from segmentation.core.settings import DEFAULT_TASK
from segmentation.learning.datasets import services as datasets
from segmentation.learning.datasets.exports import entries
from segmentation.models import Dataset
from segmentation.services.ground.refusal import Refused

from ._lab import LabCommand


class Command(LabCommand):
    help = (
        "`dataset check FOLDER`: errors and warnings on FOLDER/images and FOLDER/labels "
        "(binary or one number per particle; PNG, TIFF, npy). Exit status 1 where there is an error. "
        "`dataset tiles FOLDER --out DIR --side PX`: cut images and labels of classes into blocks, with --variants in "
        "their eight turned and mirrored forms. "
        "`dataset export NAME FOLDER`: write a dataset of the site, by its name or id, as such a folder. "
        "`dataset import FOLDER --name NAME --checked`: make such a folder a dataset of the site."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["check", "tiles", "export", "import"])
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="of an export: the dataset's name or id")
        parser.add_argument("to", type=Path, nargs="?", metavar="FOLDER", help="of an export: the folder to write")
        parser.add_argument("--name", default="", help="of the new dataset (import)")
        parser.add_argument("--task", default="", help="kind of analysis; default: as in dataset.toml, or particles")
        parser.add_argument("--owner", default="", metavar="USER", help="its account; default: the first administrator")
        checked = parser.add_argument("--checked", action="store_true")
        checked.help = "a person has checked every outline, and models may learn from the images (import)"
        parser.add_argument("--out", type=Path, metavar="DIR", help="folder of what is written")
        parser.add_argument("--images", default="", metavar="NAME", help="the images' folder in FOLDER")
        parser.add_argument("--labels", default="", metavar="NAME", help="the labels' folder in FOLDER")
        classes = parser.add_argument("--classes", type=int, nargs="*", metavar="N")
        classes.help = "the labels are classes: their numbers; default: all numbers but 255"
        parser.add_argument("--groups", default="", metavar="CSV", help="table image,group: in FOLDER, or a path")
        parser.add_argument("--side", type=int, default=128, metavar="PX", help="of the squares (128)")
        parser.add_argument("--variants", action="store_true", help="tiles also turned and mirrored, eight of each")

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {"check": self._check_folder, "export": self._export, "import": self._import, "tiles": self._tiles}
        actions[options["action"]](options)

    def _export(self, options: dict[str, Any]) -> None:
        text, folder = str(options["folder"]), options["to"]
        if folder is None:
            raise CommandError("Say to which folder the dataset goes.")
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty.")
        dataset = _dataset(text)
        for name, content in entries(dataset):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("wb") as file:
                for piece in [content] if isinstance(content, bytes) else content:
                    file.write(piece)
        self.stdout.write(f"{dataset.name}: {dataset.images.exclude(labels='').count()} images in {folder}")

    def _import(self, options: dict[str, Any]) -> None:
        folder = options["folder"]
        if not options["checked"]:
            raise CommandError("Say with --checked that every outline was checked and that models may learn from it.")
        facts = files.read_facts(folder / files.FACTS)[0] if (folder / files.FACTS).is_file() else {}
        texts = {name: str(facts.get(name, "")) for name in ("material", "instrument", "licence")}
        user = _owner(options["owner"])
        with tempfile.NamedTemporaryFile(suffix=".zip", dir=settings.FILE_UPLOAD_TEMP_DIR) as archive:
            _pack(folder, archive.name, options)
            try:
                dataset = datasets.create_dataset(
                    user=user,
                    name=options["name"] or str(facts.get("name", folder.resolve().name)),
                    task=str(options["task"] or facts.get("task", DEFAULT_TASK)),
                    class_names=facts.get("class_names", []),
                    **texts,
                )
                with Path(archive.name).open("rb") as opened:
                    file = File(opened, name=f"{folder.resolve().name}.zip")
                    datasets.add_archive(dataset=dataset, file=file, user=user, consent=True, reviewed=True)
            except Refused as refusal:
                raise CommandError(refusal.sentence) from None
        self.stdout.write(
            f"{dataset.name} ({dataset.pk}): a worker of the site takes it in, see /datasets/{dataset.pk}/"
        )

    def _tiles(self, options: dict[str, Any]) -> None:
        from segmentation.lab.research.tiles import write_tiles
        from segmentation.lab.training.settings import refuse_evaluation_data

        if options["out"] is None:
            raise CommandError("Say with --out where the files go.")
        if options["side"] < 1:
            raise CommandError("--side is at least 1.")
        pairs = truth.find_pairs(options["folder"], options["images"], options["labels"]).complete()
        refuse_evaluation_data(options["folder"], *(file for pair in pairs for file in pair.files))
        count = write_tiles(pairs, options["out"], options["side"], variants=options["variants"], say=self.say)
        self.stdout.write(f"{count} tiles of {options['side']} px in {options['out'] / 'images'}")

    def _check_folder(self, options: dict[str, Any]) -> None:
        from segmentation.lab.training.check import NOT_CAUGHT, check_folder
        from segmentation.lab.training.check.sheets import write_pictures

        names = {name: options[name] for name in ("images", "labels", "groups")}
        classes = tuple(options["classes"] or ())
        # --classes without numbers: all numbers of the files
        count = truth.ANY_NUMBER if options["classes"] == [] else 0
        checked = check_folder(options["folder"], **names, classes=classes, count=count, say=self.say)
        for finding in checked.findings:
            self.stdout.write(str(finding))
        self.stdout.write(checked.summary)
        self.stdout.write(NOT_CAUGHT)
        for file in write_pictures(checked, options["out"]) if options["out"] else []:
            self.stdout.write(f"picture: {file}")
        if errors := len(checked.errors):
            raise CommandError(f"{errors} error{'s' if errors > 1 else ''} must be corrected before a training.")


def _owner(name: str) -> Any:
    """The account of this name; without a name the first administrator."""
    accounts = get_user_model().objects.filter(is_active=True)
    user = (accounts.filter(username=name) if name else accounts.filter(is_superuser=True).order_by("pk")).first()
    if user is None:
        raise CommandError(f"There is no account {name!r}." if name else "Say with --owner whose dataset it is.")
    return user


def _dataset(text: str) -> Any:
    """The dataset of this id, or the only one of this name."""
    with suppress(ValueError):
        if dataset := Dataset.objects.filter(pk=UUID(text)).first():
            return dataset
    matches = list(Dataset.objects.filter(name=text)[:2])
    if len(matches) != 1:
        why = "There are several datasets" if matches else "There is no dataset"
        raise CommandError(f"{why} named {text!r}: give its id, which is in the address of its page.")
    return matches[0]


def _pack(folder: Path, archive_name: str, options: dict[str, Any]) -> None:
    """Write the images, labels and tables of a folder into a ZIP file, which the site imports."""
    parts = [(truth.folder_in(folder, options["images"], truth.IMAGE_FOLDERS), files.IMAGES, truth.image_suffixes())]
    coco: list[Path] = []
    try:
        parts.append((truth.folder_in(folder, options["labels"], truth.LABEL_FOLDERS), files.LABELS, truth.LABEL_KINDS))
    except truth.BadDataset:
        if not (coco := list(folder.glob("*.json"))):
            raise
    with zipfile.ZipFile(archive_name, "w") as archive:
        for part_folder, target, kinds in parts:
            for file in truth.files_in(part_folder, kinds):
                archive.write(file, f"{target}/{file.name}")
        for file in (folder / files.GROUPS, folder / files.REGIONS, folder / files.FACTS, *coco):
            if file.is_file():
                archive.write(file, file.name)
