"""What is stored with a job or a sample is what the API's document says."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from pydantic import TypeAdapter

from segmentation.core.analysis import MethodUsed
from segmentation.core.combine import combine
from segmentation.core.report.schema import JobResult, StoredSample
from segmentation.core.sample import Member
from segmentation.plain import storable
from tests.core.builders import make_analysis
from worker.analysis.results import summarise

METHOD = MethodUsed("Powder", 2, "approved", "c" * 64, ("The scale is typed.",))


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_job_stores_what_the_document_names(count):
    stored = summarise(make_analysis(count), reused=False, unread=False)
    assert set(stored) == set(JobResult.__annotations__) - {"method"}
    TypeAdapter(JobResult).validate_python(stored)


def test_a_job_by_a_method_stores_that_too():
    stored = summarise(replace(make_analysis(30), method=METHOD), reused=False, unread=False)
    assert set(stored) == set(JobResult.__annotations__)
    assert TypeAdapter(JobResult).validate_python(stored)["method"] == METHOD.as_dict()


def test_a_sample_stores_what_the_document_names():
    analyses = [replace(make_analysis(count), method=METHOD) for count in (12, 30)]
    stored = storable(combine("lot", map(Member.of, analyses)).as_dict())
    assert stored["method"] == METHOD.as_dict()
    assert set(stored) <= {field.name for field in fields(StoredSample)}
    TypeAdapter(StoredSample).validate_python(stored)
