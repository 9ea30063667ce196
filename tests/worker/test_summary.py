"""What is stored with a job or a sample is what the API's document says."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import TypeAdapter

from segmentation.core.combine import combine
from segmentation.core.report.schema import JobResult, StoredSample
from segmentation.core.sample import Member
from segmentation.plain import storable
from tests.core.builders import make_analysis
from worker.results import summarise


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_job_stores_what_the_document_names(count):
    stored = summarise(make_analysis(count), reused=False, unread=False)
    assert set(stored) == set(JobResult.__annotations__)
    TypeAdapter(JobResult).validate_python(stored)


def test_a_sample_stores_what_the_document_names():
    stored = storable(combine("lot", [Member.of(make_analysis(count)) for count in (12, 30)]).as_dict())
    assert set(stored) <= {field.name for field in fields(StoredSample)}
    TypeAdapter(StoredSample).validate_python(stored)
