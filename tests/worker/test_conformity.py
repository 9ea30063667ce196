"""The file with a decision: as the page says it, with the limits and the link that there are when it is published."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from segmentation.core.quality.specification import Specification
from segmentation.core.report.file_options import CONFORMITY
from segmentation.models import ExportJob, Job, Link, Sample
from segmentation.presenters.judging import conformity_statement_of
from segmentation.services.access import links
from segmentation.services.ground import bundles
from segmentation.services.results import exports, judging, steps
from worker import exporting, tasks
from worker.samples import judged_by

from .test_exporting import done
from .test_run_sample import pooled, run, squares

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse")]
fixtures = done, pooled
LOW = Specification.read({"title": "low", "limits": [{"quantity": "n_kept", "upper": 2.0}]})
HIGH = Specification.read({"title": "high", "limits": [{"quantity": "n_kept", "lower": 2.0}]})


def words_of(result, tmp_path):
    """The text of the stored page."""
    file = tmp_path / "page.pdf"
    file.write_bytes(bundles.open_file(result.artifacts.get(name=CONFORMITY)).read())
    return " ".join(subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True).stdout.split())


def asked(result):
    """The result after a worker wrote the page."""
    exports.file_of(result, CONFORMITY)
    tasks.do_analyses()
    return type(result).objects.get(pk=result.pk)


def test_page_and_file_of_a_sample_say_the_same(pooled, tmp_path):
    sample = pooled(squares([10, 12, 14]), squares([16, 18]), squares([11, 15]))
    run(sample)
    limits = [{"quantity": "median", "upper": 60.0}, {"quantity": "n_kept", "lower": 7.0}]
    judging.set_specification(row=sample, specification=Specification.read({"limits": limits}), account=None)
    sample = asked(Sample.objects.get(pk=sample.pk))
    certificate, words = conformity_statement_of(sample), words_of(sample, tmp_path)
    assert certificate.headline in words and certificate.explanation in words and "for the material" in words
    assert all(f"{row.requirement}: {row.measured}, {row.verdict.lower()}" in words for row in certificate.rows)


def test_limits_that_change_while_the_page_is_written_are_in_it(done, tmp_path, monkeypatch):
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
    words = words_of(done, tmp_path)
    assert "PASSES" in words and "high" in words and "low" not in words


def test_a_link_that_is_made_or_switched_off_makes_another_page(done, alice, settings, tmp_path):
    settings.DEEPSEGM_URL = None
    (settings.DEEPSEGM_DATA / "site-address").write_text("http://lab-pc:8000")
    Job.objects.filter(pk=done.pk).update(owner=alice)
    done.refresh_from_db()
    judging.set_specification(row=done, specification=HIGH, account=alice)
    assert "This code opens" not in words_of(asked(done), tmp_path)
    steps.change_private_link(row=done, renew=True)
    assert links.state_of(done) == "open" and CONFORMITY in exports.unwritten_files(Job.objects.get(pk=done.pk))
    assert "This code opens the result" in words_of(asked(Job.objects.get(pk=done.pk)), tmp_path)
    steps.change_private_link(row=done, off=True)
    assert "This code opens" not in words_of(asked(Job.objects.get(pk=done.pk)), tmp_path)


def test_the_code_opens_this_result_alone_and_ends_with_the_link_that_ends_first(done, alice, settings, make_sample):
    settings.DEEPSEGM_URL = urlsplit("https://sem.example.org")
    sample = make_sample(owner=alice)
    Job.objects.filter(pk=done.pk).update(owner=alice, sample=sample)
    done.refresh_from_db()
    judging.set_specification(row=done, specification=HIGH, account=alice)
    link = steps.change_private_link(row=done, renew=True)
    secret = links.printed_link(done)[0]
    assert links.secret_of(link) not in judged_by(done, done.summary)["link"] and secret in judged_by(done, {})["link"]
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
