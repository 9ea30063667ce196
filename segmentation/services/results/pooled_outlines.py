"""Joins the COCO files of the images of a sample into one COCO file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...models import Artifact, Sample
from ..ground import bundles

COCO_FILE = "coco.json"


def pooled_coco(sample: Sample) -> Iterator[str]:
    """The COCO annotations of the pooled images as JSON text, piece by piece: one image is in
    memory at a time.

    Annotations have consecutive ids over all images. Each also has `label` (not part of COCO): its
    id in the files of its image. An image whose COCO file cannot be read is left out.
    """
    pooled = sample.stored.pooled_ids
    # Two images may have the same file name; the sample gives them different ones.
    names = {image.pk: image.name for image in sample.stored.images}
    artifacts = sorted(
        Artifact.objects.filter(job__in=pooled, name=COCO_FILE), key=lambda artifact: pooled.index(str(artifact.job_id))
    )
    images: list[dict[str, Any]] = []
    categories: dict[str, dict[str, Any]] = {}
    count = 0
    yield '{"annotations": ['
    for artifact in artifacts:
        try:
            with bundles.open_file(artifact) as file:
                payload = json.load(file)
            numbers = {}  # number of a category in this file -> its number in the pooled file
            for category in payload["categories"]:
                entry = categories.setdefault(category["name"], {**category, "id": len(categories) + 1})
                numbers[category["id"]] = int(entry["id"])
            image = {**payload["images"][0], "id": len(images) + 1, "sha256": payload.get("info", {}).get("sha256", "")}
            image["file_name"] = names.get(str(artifact.job_id), image["file_name"])
            annotations = [
                {
                    **annotation,
                    "id": number,
                    "label": annotation["id"],
                    "image_id": image["id"],
                    "category_id": numbers[annotation["category_id"]],
                }
                for number, annotation in enumerate(payload["annotations"], count + 1)
            ]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        images.append(image)
        yield ("," if count and annotations else "") + ",".join(map(json.dumps, annotations))
        count += len(annotations)
    info = {"description": f"Sample {sample.name}"}
    closing = {"images": images, "categories": list(categories.values()), "info": info, "licenses": []}
    yield "]," + json.dumps(closing)[1:]
