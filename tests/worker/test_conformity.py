"""The file with a decision: as the page says it, with the limits and the link that there are when it is published."""

from __future__ import annotations

import io
import json
from urllib.parse import urlsplit

import pypdf
import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings, MethodUsed
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.specification import Specification
from segmentation.core.report.file_options import CONFORMITY, REPORT
from segmentation.models import ExportJob, Job, Link, Method, MethodVersion, Sample
from segmentation.presenters.growing import close_by_method
from segmentation.quality.limits import services as judging
from segmentation.quality.limits.words import conformity_statement_of, decision_as_dict
from segmentation.services.access import links
from segmentation.services.ground import bundles
from segmentation.services.results import exports, pooling
from segmentation.services.results.corrections import steps
from segmentation.services.results.jobs import create_job
from worker import tasks
from worker.analysis import exporting
from worker.analysis.samples import judged_by

from .test_exporting import done
from .test_run_sample import pooled, run, squares

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse")]
fixtures = done, pooled
LOW = Specification.read({"title": "low", "limits": [{"quantity": "n_kept", "upper": 2.0}]})
HIGH = Specification.read({"title": "high", "limits": [{"quantity": "n_kept", "lower": 2.0}]})


def words_of(result, name=CONFORMITY):
    """The text of a stored PDF."""
    with bundles.open_file(result.artifacts.get(name=name)) as file:
        pages = pypdf.PdfReader(io.BytesIO(file.read())).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


def asked(result, name=CONFORMITY):
    """The result after a worker wrote the PDF."""
    exports.file_of(result, name)
    tasks.do_analyses()
    return type(result).objects.get(pk=result.pk)


def test_page_and_file_of_a_sample_say_the_same(pooled):
    sample = pooled(squares([10, 12, 14]), squares([16, 18]), squares([11, 15]))
    run(sample)
    limits = [{"quantity": "median", "upper": 60.0}, {"quantity": "n_kept", "lower": 7.0}]
    judging.set_specification(row=sample, specification=Specification.read({"limits": limits}), account=None)
    sample = asked(Sample.objects.get(pk=sample.pk))
    certificate, words = conformity_statement_of(sample), words_of(sample)
    assert certificate.headline in words and certificate.explanation in words and "for the material" in words
    assert all(f"{row.requirement}: {row.measured}, {row.verdict.lower()}" in words for row in certificate.rows)


def test_limits_that_change_while_the_page_is_written_are_in_it(done, monkeypatch):
    judging.set_specification(row=done, specification=LOW, account=None)
    published = exports.publish_export

    def changed_meanwhile(*, export, **fields):
        if not fields.get("early") and Job.objects.get(pk=done.pk).specification["title"] == "low":
            judging.set_specification(row=Job.objects.get(pk=done.pk), specification=HIGH, account=None)
        published(export=export, **fields)

    monkeypatch.setattr(exporting.exports_service, "publish_export", changed_meanwhile)
    asked(done)
    tasks.do_analyses()
    assert ExportJob.objects.get(job=done).state == "done"
    words = words_of(done)
    assert "PASSES" in words and "high" in words and "low" not in words


def test_the_report_says_who_set_the_limits(done, alice):
    words = words_of(asked(done, REPORT), REPORT)
    assert "Limits" not in words
    judging.set_specification(row=done, specification=LOW, account=alice)
    words = words_of(asked(Job.objects.get(pk=done.pk), REPORT), REPORT)
    assert "“low”" in words and "by alice, after the measurement." in words
    judging.set_specification(row=done, specification=None, account=alice)
    assert "by alice" not in words_of(asked(Job.objects.get(pk=done.pk), REPORT), REPORT)


def test_a_link_that_is_made_or_switched_off_makes_another_page(done, alice, settings):
    settings.DEEPSEGM_URL = None
    (settings.DEEPSEGM_DATA / "site-address").write_text("http://lab-pc:8000")
    Job.objects.filter(pk=done.pk).update(owner=alice)
    done.refresh_from_db()
    judging.set_specification(row=done, specification=HIGH, account=alice)
    assert "This code opens" not in words_of(asked(done))
    steps.change_private_link(row=done, renew=True)
    assert links.state_of(done) == "open" and CONFORMITY in exports.unwritten_files(Job.objects.get(pk=done.pk))
    assert "This code opens the result" in words_of(asked(Job.objects.get(pk=done.pk)))
    steps.change_private_link(row=done, off=True)
    assert "This code opens" not in words_of(asked(Job.objects.get(pk=done.pk)))


def test_the_code_opens_this_result_alone_and_ends_with_the_link_that_ends_first(done, alice, settings, make_sample):
    settings.DEEPSEGM_URL = urlsplit("https://sem.example.org")
    sample = make_sample(owner=alice)
    Job.objects.filter(pk=done.pk).update(owner=alice, sample=sample)
    done.refresh_from_db()
    judging.set_specification(row=done, specification=HIGH, account=alice)
    link = steps.change_private_link(row=done, renew=True)
    secret = links.printed_link(done)[0]
    assert links.secret_of(link) not in judged_by(done)["link"] and secret in judged_by(done)["link"]
    assert links.may_open(done, AnonymousUser(), None, [secret])
    assert not links.may_open(sample, AnonymousUser(), None, [secret])
    sooner = steps.change_private_link(row=sample, renew=True, ends="1 day")
    secret, ends = links.printed_link(done)
    assert ends == sooner.ends and links.may_open(done, AnonymousUser(), None, [secret])
    assert not links.may_open(sample, AnonymousUser(), None, [secret])
    Link.objects.filter(pk=sample.pk).update(ends=timezone.now())
    with pytest.raises(links.LinkEnded):
        links.may_open(done, AnonymousUser(), None, [secret])
    assert links.may_open(done, AnonymousUser(), None, [links.secret_of(link)])


# What departs stands beside the decision


@pytest.fixture
def version(alice):
    """A draft that asks for a typed scale and for limits."""
    limits = [{"quantity": "n_kept", "lower": 2.0}]
    said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.TYPED, least_images=5, limits=limits)
    fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
    method = Method.objects.create(name="Powder", owner=alice)
    return MethodVersion.objects.create(method=method, number=1, **fields)


DRAFT = "This version of the method is a draft: nobody has approved it."


def test_the_certificate_names_what_departs_from_the_method(pooled, version, alice):
    sample = pooled(squares([10, 12, 14]), squares([16, 18]), squares([11, 15]), method=version)
    used = {"method": MethodUsed("Powder", 1, "draft", version.checksum, approval=DRAFT).as_dict()}
    for job in sample.jobs.all():
        Job.objects.filter(pk=job.pk).update(summary={**job.summary, **used})
    run(sample)
    limits = [{"quantity": "median", "lower": 1.0, "rule": "simple"}]
    judging.set_specification(row=sample, specification=Specification.read({"limits": limits}), account=alice)
    close_by_method(sample, alice, "The filament broke")
    pooling.refresh_sample(sample.pk)
    run(sample)
    sample = asked(Sample.objects.get(pk=sample.pk))
    certificate, text = conformity_statement_of(sample), words_of(sample)
    early = "The sample was closed before enough was measured"
    assert [line.startswith(early) for line in certificate.reservations[:2]] == [True, False]
    assert certificate.reservations[0].endswith("by alice: The filament broke.")
    assert DRAFT in certificate.reservations
    assert any("does not include" in line and "repeatability" in line for line in certificate.reservations)
    assert all(line in text for line in certificate.reservations) and "Powder, version 1, draft" in text
    assert "by alice, after the measurement" in text
    decision = decision_as_dict(sample)
    assert decision["reservations"] == list(certificate.reservations) and "after the measurement" in decision["agreed"]
    with bundles.open_file(sample.artifacts.get(name="result.json")) as file:
        assert early in json.dumps(json.load(file)["method"]["departures"])
    assert early in " ".join(sample.pooled["method"]["departures"])


def test_a_result_by_a_method_gets_its_limits_before_it_is_measured(version, make_micrograph, alice):
    who = {"user": alice, "visitor": None, "address": ""}
    job = create_job(micrograph=make_micrograph(owner=alice), settings=AnalysisSettings.of(), method=version, **who)
    specification = Specification.read(job.specification)
    assert [limit.quantity for limit in specification.limits] == ["n_kept"]
    assert specification.title == "Powder, version 1"
    assert specification.agreement == f"Limits agreed on {version.created:%Y-%m-%d} by alice, before the measurement."
    MethodVersion.objects.update(description={"of": "another release"})
    version.refresh_from_db()
    assert judging.fields_by_method(version) == {}


def test_limits_that_several_results_share_keep_their_last_date(make_job, alice):
    jobs = [make_job(state="done", owner=alice) for _ in range(2)]
    for job in jobs:
        judging.set_specification(row=job, specification=HIGH, account=alice)
    jobs[1].specification["agreed"] = "9999-01-01T00:00:00+00:00"
    assert judging.shared_by(jobs) == {"specification": jobs[1].specification, "reference": {}}
    judging.set_specification(row=jobs[1], specification=LOW, account=alice)
    assert judging.shared_by(jobs) == {"reference": {}}
