"""The outlines of all images of a sample in one file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...models import Artifact, Sample
from ..ground import bundles

FILE = "coco.json"


def pooled_coco(sample: Sample) -> Iterator[str]:
    """COCO annotations of the pooled images as JSON text, piece by piece: one image is in memory at a time.

    Numbered anew over all images; beyond COCO an annotation has `label`, its number in the files of its image. An image
    whose own annotations cannot be read is not among the images.
    """
    pooled = sample.pooled.get("of", [])
    # Two images may have one name; the sample tells them apart.
    names = dict(zip(pooled, (image["name"] for image in sample.pooled.get("images", [])), strict=False))
    artifacts = sorted(
        Artifact.objects.filter(job__in=pooled, name=FILE), key=lambda artifact: pooled.index(str(artifact.job_id))
    )
    images: list[dict[str, Any]] = []
    categories: dict[str, dict[str, Any]] = {}
    count = 0
    yield '{"annotations": ['
    for artifact in artifacts:
        try:
            with bundles.opened(artifact) as file:
                payload = json.load(file)
            ours = {}  # numbers of the categories in this file -> among those of all images
            for category in payload["categories"]:
                entry = categories.setdefault(category["name"], {**category, "id": len(categories) + 1})
                ours[category["id"]] = int(entry["id"])
            image = {**payload["images"][0], "id": len(images) + 1, "sha256": payload.get("info", {}).get("sha256", "")}
            image["file_name"] = names.get(str(artifact.job_id), image["file_name"])
            lines = [
                {**annotation, "id": number, "label": annotation["id"], "image_id": image["id"]}
                for number, annotation in enumerate(payload["annotations"], count + 1)
            ]
            lines = [{**line, "category_id": ours[line["category_id"]]} for line in lines]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        images.append(image)
        yield ("," if count and lines else "") + ",".join(map(json.dumps, lines))
        count += len(lines)
    info = {"description": f"Sample {sample.name}"}
    rest = {"images": images, "categories": list(categories.values()), "info": info, "licenses": []}
    yield "]," + json.dumps(rest)[1:]
