"""Pictures of what the layers of a network make of an image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torch import nn

from segmentation.core.network.architectures import build
from segmentation.lab.research import feature_maps
from segmentation.lab.research.feature_maps import UnknownLayer, write_feature_maps, write_layers

pytestmark = pytest.mark.slow  # research, which no site reaches

NETWORKS = {
    "plain": {"name": "plain-unet", "filters": 4, "depth": 2},
    "lite": {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_channels": [16, 16, 16, 8, 8]},
    # No tracer of torchvision reads this one.
    "nested lite": {"name": "unetplusplus", "encoder": "timm-tf_efficientnet_lite0"},
}


@pytest.mark.parametrize(("name", "pools", "enlargements"), [("plain", 2, 2), ("lite", 5, 5), ("nested lite", 5, 11)])
def test_every_layer_has_a_row(tmp_path, monkeypatch, name, pools, enlargements):
    seen = {}
    real = feature_maps.sheet
    monkeypatch.setattr(
        feature_maps, "sheet", lambda layers, none: (seen.update({none: layers}), real(layers, none))[1]
    )
    network = build(NETWORKS[name], 3)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 140), np.uint8)
    files = write_feature_maps(network, pixels, tmp_path)
    assert [file.name for file in files] == ["convolutions.png", "max-pools.png", "up-samplings.png"]
    convolutions, halved, enlarged = seen.values()
    unused = "lite" in name  # the encoder's last convolution is its classifier's
    assert len(convolutions) == sum(isinstance(module, nn.Conv2d) for module in network.modules()) - unused
    assert (len(halved), len(enlarged)) == (pools, enlargements)
    assert convolutions[-1].shape == (3, 96, 160)  # of the whole image, in steps of 32 px
    assert all(("steps of 2" in layer.name) == unused for layer in halved)
    assert all(np.asarray(Image.open(file)).std() > 1 for file in files)


def test_every_map_of_a_layer_is_drawn(tmp_path):
    network = build(NETWORKS["plain"], 3)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    first = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    (layer,) = feature_maps.feature_maps(network, pixels, [first])["convolutions"]
    assert layer.maps.shape == layer.shape == (4, 64, 96)
    (file,) = write_layers(network, pixels, [first], tmp_path)
    picture = np.asarray(Image.open(file))
    assert all((picture == row).any() for row in (0, 255)) and picture.shape[1] >= 4 * 96
    files = write_layers(network, pixels, ["all"], tmp_path / "all")
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    assert len({file.name for file in files}) == len(files) == convolutions + 2 + 2  # pools and enlargements
    with pytest.raises(UnknownLayer, match=rf"layer nothing.*{first}"):
        write_layers(network, pixels, ["nothing"], tmp_path)


def test_an_upsample_is_shown_once():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Upsample(scale_factor=2))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    (enlarged,) = feature_maps.feature_maps(network, pixels)["up-samplings"]
    assert enlarged.shape == (2, 128, 128)


def test_a_large_image_is_reduced(monkeypatch):
    monkeypatch.setattr(feature_maps, "LARGEST_PX", 64 * 64)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 400), np.uint8)
    layers = feature_maps.feature_maps(build(NETWORKS["plain"], 1), pixels)["convolutions"]
    assert layers[0].shape[1:] == (64, 96)  # 45 x 91 px
