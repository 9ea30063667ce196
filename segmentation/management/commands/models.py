"""`models`: lists the models of the site, adds and removes models, and makes the files that belong to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from segmentation.core.network import cards
from segmentation.core.tasks import find

from . import _inputs as inputs
from ._lab import BASE, LabCommand


class Command(LabCommand):
    help = (
        "`models list`; `models add RUN` offers a training's model in the form; `models picture NAME IMAGE` makes one "
        "of its example pictures, or with --layers those of its feature maps; `models images NAME RECIPE` notes what "
        "it was trained on; `models package NAME FILE.zip` writes it for other programs (ONNX); `models graph "
        "NAME` makes the ONNX file by which a model of version 1.0.0 runs without torch; `models remove NAME`; "
        "`models textures NAME=FOLDER ...` learns what the images of each released model look like. Added models lie "
        "in DEEPSEGM_MODELS."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="every model, the released ones first")
        add = actions.add_parser("add", help="offer the model of a finished run")
        add.add_argument("run", type=Path, metavar="RUN", help="a training's folder, a card's file, or a package")
        add.add_argument("--name", default="", help="instead of the card's")
        add.add_argument("--title", default="", help="instead of the card's")
        picture = actions.add_parser("picture", help="analyse an image as an example for the page of the models")
        picture.add_argument("name")
        picture.add_argument("image", type=Path, metavar="IMAGE")
        picture.add_argument("--number", type=int, choices=range(1, 10), default=1, help="which of its pictures")
        picture.add_argument("--layers", action="store_true", help="the maps of every layer of its network")
        picture.add_argument("--caption", default="", help="what the image shows")
        images = actions.add_parser(
            "images", help="note in a card on which images it was trained, for the warning of scores on them"
        )
        images.add_argument("name")
        images.add_argument("recipe", type=Path, metavar="RECIPE", help="by which it was trained")
        graph = actions.add_parser("graph", help="make the files by which processors without torch run models")
        graph.add_argument("names", nargs="+", metavar="NAME")
        pack = actions.add_parser("package", help="write a model as a package of the BioImage Model Zoo: ONNX and test")
        pack.add_argument("name")
        pack.add_argument("file", type=Path, metavar="FILE.zip")
        remove = actions.add_parser("remove", help="delete an added model")
        remove.add_argument("name")
        textures = actions.add_parser("textures", help="learn the textures of the training images of released models")
        textures.add_argument("folders", nargs="+", metavar="NAME=FOLDER", help="a model and its training images")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        try:
            for card in cards.available():
                origin = "added" if card.weights.parent == settings.DEEPSEGM_MODELS else "released"
                size = f"{card.size / 1e6:.1f} MB" if card.weights.is_file() else "no weights"
                self.stdout.write(f"{card.name:28s} {origin:9s} {size:>10s}  {card.version:9s} {card.title}")
        except ValueError as error:
            raise CommandError(str(error)) from error
        for problem in cards.problems():
            self.stdout.write(problem)

    def _add(self, options: dict[str, Any]) -> None:
        from segmentation.lab.training.publish import add_model

        card = add_model(options["run"], settings.DEEPSEGM_MODELS, name=options["name"], title=options["title"])
        self.stdout.write(f"{card.name} ({card.size / 1e6:.1f} MB) is offered in the form now.")

    def _picture(self, options: dict[str, Any]) -> None:
        from segmentation.core.analysis import AnalysisSettings
        from segmentation.core.micrograph.reader import read
        from segmentation.core.pipeline import analyse
        from segmentation.core.report.figures.picture import example_picture

        card, micrograph = cards.find(options["name"]), read(options["image"])
        caption = options["caption"] or options["image"].stem
        if options["layers"]:
            self._layers(card, micrograph.pixels, caption)
            return
        # A person has chosen the image, so numbers are given even if it is unlike the training images.
        requested = AnalysisSettings.of(card.task, model=card.name, filter=True, measure_unlike=True)
        analysis = analyse(micrograph, requested)
        file = card.weights.parent / f"{card.name}-{options['number']}.webp"
        file.write_bytes(example_picture(analysis, caption))
        self.stdout.write(f"{file}: {inputs.counts_in_words(analysis)}")

    def _layers(self, card: cards.ModelCard, pixels: Any, caption: str) -> None:
        """Write a small picture of the maps of each kind of layer beside the card."""
        import numpy as np

        from segmentation.core.network.with_torch import folded, load_module
        from segmentation.core.report.figures.picture import captioned_webp
        from segmentation.lab.research.feature_maps import (
            NO_LAYERS,
            SMALL_SHEET,
            STRIDED,
            STRIDED_TITLE,
            feature_maps,
            sheet,
        )

        network = folded(load_module(card, len(find(card.task).channels(card))))
        for kind, layers in feature_maps(network, pixels, limit=SMALL_SHEET[1]).items():
            picture = sheet(layers, NO_LAYERS.format(kind=kind), *SMALL_SHEET)
            is_strided = any(STRIDED in layer.name for layer in layers)
            title = STRIDED_TITLE if is_strided else kind.capitalize()
            heading = f"{title}: up to {SMALL_SHEET[1]} maps of each layer, whose number stands above them. {caption}"
            file = card.weights.parent / f"{card.name}-{kind}.webp"
            file.write_bytes(captioned_webp(np.asarray(picture), heading, card.sha256))
            self.stdout.write(f"{file}: {len(layers)} layers")

    def _images(self, options: dict[str, Any]) -> None:
        from segmentation.lab.training.data import training_images
        from segmentation.lab.training.publish import note_images
        from segmentation.lab.training.settings import read_recipe

        card, recipe = cards.find(options["name"]), read_recipe(options["recipe"])
        images = [picture.pair.image for picture in training_images(recipe, BASE)]
        note_images(card.weights.parent / f"{card.name}.toml", recipe, images)
        self.stdout.write(f"{card.name} was trained on {len(images)} images of {options['recipe']}.")

    def _graph(self, options: dict[str, Any]) -> None:
        from segmentation.lab.training.publish import add_graph

        for card in map(cards.find, options["names"]):
            problem = add_graph(card.weights.with_name(f"{card.name}.toml"))
            self.stdout.write(problem or f"{card.name} runs without torch now.")

    def _package(self, options: dict[str, Any]) -> None:
        from segmentation.core.archive import write_zip
        from segmentation.core.network.package import package_files

        card = cards.find(options["name"])
        channels = find(card.task).channels(card)
        write_zip(options["file"], package_files(card, channels.names, channels.activation))
        self.stdout.write(f"{options['file']}: {options['file'].stat().st_size / 1e6:.1f} MB")

    def _remove(self, options: dict[str, Any]) -> None:
        from segmentation.lab.training.publish import remove_model

        remove_model(options["name"], settings.DEEPSEGM_MODELS)
        self.stdout.write(f"{options['name']} is removed; analyses made with it stay.")

    def _textures(self, options: dict[str, Any]) -> None:
        from segmentation.lab.research.textures import write_textures

        pairs = [pair.partition("=")[::2] for pair in options["folders"]]
        if wrong := [name for name, folder in pairs if not Path(folder or " ").is_dir()]:
            raise CommandError(f"{wrong[0]} names no folder: write NAME=FOLDER, such as particles=data/images.")
        write_textures({name: Path(folder) for name, folder in pairs}, self.say)
