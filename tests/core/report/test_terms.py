"""The terms of numbers in the report are those of quantities.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OTHER = "Central size"
# Prints the words of the report of an image and of a sample, with another title of the median in the TOML file.
PROGRAM = f"""
import io, tomllib
read = tomllib.loads
tomllib.loads = lambda text: read(text.replace('title = "Median"\\n', 'title = "{OTHER}"\\n'))
from concurrent.futures import ThreadPoolExecutor
import pypdf
from segmentation.core.combine import combine
from segmentation.core.report import exports; from segmentation.core.report.documents import pages
from segmentation.core.report.context import Context
from segmentation.core.sample import SampleAnalysis
from tests.core.builders import make_analysis
from tests.core.report.test_sample_files import seen
for kind, sample in (("image", SampleAnalysis.of(make_analysis(300, (800, 900)))), ("sample", combine("lot", seen(4)))):
    file = io.BytesIO()
    with ThreadPoolExecutor(1) as packing:
        context = Context(sample, exports.by_file_name(kind, sample.task), packing)
        context.compress_pictures()
        pages.write_report(context, file, annex=True)
    print(" ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(file).pages))
"""
# Terms of other numbers, of the scores of a model's card, and a sentence of a card.
OTHERS = ("edian circle diameter", "Median off", "edian of those seen off", "true median minimum", "n minimum Feret",
          "which makes the median size too large")  # fmt: skip


@pytest.mark.slow
def test_a_changed_title_changes_every_place_of_the_report():
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    image, sample = run.stdout.splitlines()
    for words, least in ((image, 30), (sample, 28)):
        count = words.count(OTHER) + words.count(OTHER[0].lower() + OTHER[1:])
        for other in OTHERS:
            words = words.replace(other, "")
        print(f"{count} places follow, {words.count('edian')} do not")
        assert count >= least and "edian" not in words
