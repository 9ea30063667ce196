"""Reads outlines in a child process: `python -m segmentation.core.imported INPUT --asked JSON --labels OUT.npy`.

It prints one line of JSON, as `micrograph.inspect` does, and writes the labels to OUT.npy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..micrograph.inspect import INSPECT_SECONDS, MAX_MEMORY_MB, report_confined, save
from ..tasks import find
from .reading import OUTLINES_JSON, read_outlines, read_truth
from .shapes import Frame

MEMORY = "The file of outlines needs more memory than there is: split it into parts."


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the outlines that the command line names, and print the answer. Returns the exit status, which is always
    0."""
    parser = argparse.ArgumentParser(description="Read outlines from another tool and say what they are, as JSON.")
    parser.add_argument("input", type=Path)
    parser.add_argument("--asked", type=json.loads, required=True, help="what is known of the image and the result")
    parser.add_argument("--labels", type=Path, required=True, help="where the labels are written, as npy")
    parser.add_argument("--max-memory-mb", type=int, default=MAX_MEMORY_MB)
    parser.add_argument("--seconds", type=float, default=INSPECT_SECONDS, help="time after which the caller gives up")
    options = parser.parse_args(arguments)
    limits = options.max_memory_mb, options.seconds, [options.labels.parent], [options.input]
    return report_confined(lambda: _read(options), *limits, out_of_memory_sentence=MEMORY)


def _read(options: argparse.Namespace) -> dict[str, Any]:
    """Read the outlines, write their labels, and return the answer to print.

    Keys of the request (--asked): "frame": values of a `Frame`; "task"; "names": of the classes; "image": name of its
    file; "nm_per_pixel"; "truth": whether the file is a ground truth; "exported": as in `read_truth`.
    """
    request = options.asked
    frame, task = Frame(*request["frame"]), find(request["task"])
    if request.get("truth"):
        exported = request.get("exported", False)
        labels = read_truth(options.input, frame, task, request["names"], request["image"], exported=exported)
        save(options.labels, labels)
        return {"ok": True}
    outlines = read_outlines(
        options.input, frame, task, request["names"], image=request["image"], nm_per_pixel=request["nm_per_pixel"]
    )
    save(options.labels, outlines.labels)
    return {"ok": True, **OUTLINES_JSON.dump_python(outlines, mode="json")}


if __name__ == "__main__":
    sys.exit(main())
