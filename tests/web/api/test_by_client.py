"""What an auditor is promised, tried by the Python client against the API of this site."""

from __future__ import annotations

import httpx
import pytest
from deepsegm_client import Client, Refused
from django.contrib.auth.models import Group, Permission
from django.test import Client as Browser

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import ControlChart, Job, MethodVersion, Sample, Signature, StaffAction
from segmentation.quality.methods import services as methods
from tests.web.views.test_growing import WAITS, grown, third, version  # noqa: F401

pytestmark = pytest.mark.django_db
PASSED_ON = ("authorization", "content-type", "idempotency-key")


def answer(request: httpx.Request) -> httpx.Response:
    """The answer of the site in this process."""
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    kind = headers.pop("content-type", "application/octet-stream")
    path = request.url.raw_path.decode()
    got = Browser().generic(request.method, path, request.read(), content_type=kind, headers=headers)
    body = b"".join(got.streaming_content) if got.streaming else got.content
    return httpx.Response(got.status_code, content=body, headers=dict(got.headers))


@pytest.fixture
def client_of():
    """A client with the name and password of an account."""

    def make(name):
        fields = {"user": name, "password": f"{name}'s password", "retries": 0}
        return Client("http://testserver", transport=httpx.MockTransport(answer), **fields)

    return make


def refused(step, *args, **fields):
    """The status and the sentence with which the site refuses a step."""
    with pytest.raises(Refused) as caught:
        step(*args, **fields)
    return caught.value.status, str(caught.value)


def test_nobody_approves_what_he_made(client_of, make_job, alice):
    job = make_job(state="done", owner=alice)
    Job.objects.filter(pk=job.pk).update(summary={**job.summary, "unread": False})
    result = client_of("alice").job(str(job.pk)).wait()
    status, sentence = refused(result.sign, "alice's password", "approved")
    assert status == 403 and "another account" in sentence and not Signature.objects.exists()


def test_methods_drafts_and_their_approval(client_of, make_job, alice, charlie):
    group = Group.objects.create(name="Powders")
    for user in (alice, charlie):
        user.groups.add(group)
        user.user_permissions.add(Permission.objects.get(codename="approve_method"))
    job = make_job(state="done", owner=alice, settings=AnalysisSettings.of(threshold=0.4))
    draft = methods.save_as_method(job=job, user=alice, name="Powder", group="Powders")
    make_job(owner=alice, method=draft)
    method = client_of("alice").method(str(draft.method_id))
    assert refused(method.approve, 1, "alice's password", draft.checksum)[0] == 403
    description = {**draft.description, "least_images": 3}
    assert refused(method.change, description=description)[0] == 422
    assert method.change(description=description, reason="More images.")["number"] == 2
    assert refused(method.discard, 1)[0] == 409
    assert MethodVersion.objects.get(number=1).description == draft.description
    theirs = client_of("charlie").method(str(draft.method_id))
    assert theirs.approve(1, "charlie's password", draft.checksum)["state"] == "approved"
    assert {entry["action"] for entry in theirs.log()} >= {"approved a method", "made a version of a method"}


def test_a_yes_has_a_name_and_closed_is_closed(client_of, grown, alice):  # noqa: F811
    client = client_of("alice")
    sample = client.sample_by_id(str(grown.pk))
    waiting = str(third(grown).pk)
    sample.include(waiting, True)
    [image] = [image for image in sample.data["images"] if image["id"] == waiting]
    assert image["choice"].startswith("Counted by alice on ") and WAITS.rstrip(".") in image["choice"]
    Sample.objects.update(state="done")
    sample.close("The filament broke")
    assert refused(sample.include, waiting, False)[0] == 409
    assert refused(client.job(waiting).delete)[0] == 409
    assert refused(sample.reopen, "A new filament")[0] == 403
    alice.user_permissions.add(Permission.objects.get(codename="reopen_sample"))
    Sample.objects.update(state="done")
    sample.reopen("A new filament")
    assert sample.data["closed"] is None and [event["opened"] for event in sample.data["history"]] == [False, True]
    actions = list(StaffAction.objects.values_list("action", flat=True))
    assert actions == ["opened a closed sample again", "closed a sample", "counted an image"]


def test_a_point_waits_for_a_yes(client_of, make_job, alice, version):  # noqa: F811
    client = client_of("alice")
    chart = client.method(str(version.method_id)).create_chart(quantity="median", material="Gold")
    assert chart["material"] == "Gold"
    row = ControlChart.objects.get()
    job = Job.objects.get(pk=make_job(state="done", owner=alice, method=version).pk)
    fields = {"job": job, "name": "a.tif", "version": 1, "measured": job.created, "value": 5.0}
    point = row.points.create(**fields, waits="The scale is typed.")
    assert not client.chart(chart["id"])["points"][0]["counts"]
    assert client.mark_point(chart["id"], point.pk, included=True)["points"][0]["choice"].startswith("Counted by alice")
