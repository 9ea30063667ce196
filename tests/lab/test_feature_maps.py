"""Pictures of what the layers of a network make of an image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torch import nn

from segmentation.core.network.architectures import build
from segmentation.lab import feature_maps
from segmentation.lab.feature_maps import write_feature_maps

NETWORKS = {
    "plain": {"name": "plain-unet", "filters": 4, "depth": 2},
    "lite": {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_channels": [16, 16, 16, 8, 8]},
}


@pytest.mark.parametrize(("name", "pools", "enlargements"), [("plain", 2, 2), ("lite", 5, 5)])
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
    unused = name == "lite"  # the encoder's last convolution is its classifier's
    assert len(convolutions) == sum(isinstance(each, nn.Conv2d) for each in network.modules()) - unused
    assert (len(halved), len(enlarged)) == (pools, enlargements)
    assert convolutions[-1][1].shape == (3, 64, 128)  # of the middle of the image, in steps of 32 px
    assert all(np.asarray(Image.open(file)).std() > 1 for file in files)
