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
    names = dict(zip(pooled, (each["name"] for each in sample.pooled.get("images", [])), strict=False))
    stored = sorted(Artifact.objects.filter(job__in=pooled, name=FILE), key=lambda each: pooled.index(str(each.job_id)))
    images: list[dict[str, Any]] = []
    categories: dict[str, dict[str, Any]] = {}
    count = 0
    yield '{"annotations": ['
    for artifact in stored:
        try:
            with bundles.opened(artifact) as file:
                payload = json.load(file)
            ours = {each["id"]: _numbered(categories, each) for each in payload["categories"]}
            image = {**payload["images"][0], "id": len(images) + 1, "sha256": payload.get("info", {}).get("sha256", "")}
            image["file_name"] = names.get(str(artifact.job_id), image["file_name"])
            lines = [
                {**each, "id": number, "label": each["id"], "image_id": image["id"]}
                for number, each in enumerate(payload["annotations"], count + 1)
            ]
            lines = [{**each, "category_id": ours[each["category_id"]]} for each in lines]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        images.append(image)
        yield ("," if count and lines else "") + ",".join(map(json.dumps, lines))
        count += len(lines)
    info = {"description": f"Sample {sample.name}"}
    rest = {"images": images, "categories": list(categories.values()), "info": info, "licenses": []}
    yield "]," + json.dumps(rest)[1:]


def _numbered(categories: dict[str, dict[str, Any]], category: dict[str, Any]) -> int:
    """Its number among those of all images; new ones are added."""
    known = categories.setdefault(category["name"], {**category, "id": len(categories) + 1})
    return int(known["id"])
