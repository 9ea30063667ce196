"""DeepSegm and napari: correct the outlines of a result as a labels layer, send them back as a new version.

python napari_deepsegm.py http://127.0.0.1:8000 ID image.tif     (docs/use/imagej.md)
"""

from __future__ import annotations

import os
import sys

import numpy as np
from deepsegm_client import Client, DeepSegmError


def show(viewer, result, image):
    """Open the image and its outlines; gives the layer to correct. Objects that were left out have their own layer."""
    viewer.open(image, layer_type="image")
    labels = result.labels()
    aside = [row["label"] for row in result.rows if not row["kept"]]
    is_aside = np.isin(labels, aside)
    viewer.add_labels(np.where(is_aside, labels, 0), name="left out", opacity=0.3, visible=False)
    layer = viewer.add_labels(np.where(is_aside, 0, labels), name="outlines")

    @viewer.bind_key("Control-Enter", overwrite=True)
    def on_key(viewer):
        """Send the layer to DeepSegm."""
        try:
            viewer.status = f"The new version: {send(layer, result).page}"
        except DeepSegmError as error:
            viewer.status = str(error)

    return layer


def send(layer, result):
    """Measure the outlines of a labels layer; gives the new result."""
    return result.send_outlines(np.asarray(layer.data, np.int32), name="napari.tif")


if __name__ == "__main__":
    import napari

    site, job, path = sys.argv[1:]
    client = Client(site, token=os.environ.get("DEEPSEGM_TOKEN"))
    opened = napari.Viewer()
    show(opened, client.job(job).wait(), path)
    napari.run()
