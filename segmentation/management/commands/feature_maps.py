"""`feature_maps`: writes pictures of the maps that the layers of a model's network make of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.cards import AlteredWeights, find

from . import _inputs as inputs
from ._lab import LabCommand


class Command(LabCommand):
    help = (
        "Write three pictures of what MODEL makes of the whole IMAGE: the maps after every convolution, max-pool and"
        " up-sampling layer, up to twelve of each. With --layer NAME, write every map of that layer instead."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL")
        parser.add_argument("image", type=Path, metavar="IMAGE")
        parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder of the pictures (here)")
        layer = parser.add_argument("--layer", action="append", default=[], metavar="NAME")
        layer.help = "write every map of this layer (may be repeated; all: of every layer, one picture each)"

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.network.with_torch import folded, load_module
        from segmentation.core.tasks import find as task_named
        from segmentation.lab.research.feature_maps import UnknownLayer, write_feature_maps, write_layers

        card = find(options["model"])
        try:
            micrograph = read(options["image"])
            network = folded(load_module(card, len(task_named(card.task).channels(card))))
        except (UnreadableImage, AlteredWeights, FileNotFoundError) as error:
            raise CommandError(inputs.error_sentence(error), returncode=inputs.BAD_INPUT) from error
        pixels, out = micrograph.pixels, options["out"]
        try:
            files = (
                write_layers(network, pixels, options["layer"], out)
                if options["layer"]
                else write_feature_maps(network, pixels, out)
            )
        except UnknownLayer as error:
            raise CommandError(str(error), returncode=inputs.BAD_INPUT) from error
        for file in files:
            self.stdout.write(f"picture: {file}")
