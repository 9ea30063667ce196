"""Private links: existing ones go on, and their owner ends, renews and switches them off, by page, API and admin."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from segmentation.models import Job, Link
from segmentation.services.access import links
from tests.web.api.test_jobs import basic, secret
from tests.web.finished import FILES, SUMMARY, VISITOR, visit, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(make_job):
    """Of a browser without an account."""
    return make_job(visitor=VISITOR, state="done", summary=SUMMARY, files=FILES, attempt=1)


@pytest.fixture
def hers(make_job, alice):
    return make_job(owner=alice, state="done", summary=SUMMARY, files=FILES, attempt=1)


@pytest.fixture
def maker():
    return visit(Client(), VISITOR)


def page(row, kind="jobs"):
    return f"/{kind}/{row.pk}/"


def do(client, row, way, kind="jobs", **more):
    return client.post(f"/{kind}/{row.pk}/link/", {"do": way, **more})


def with_secret(row):
    return f"?link={links.secret_of(Link.objects.get(pk=row.pk))}"


def expire(row):
    Link.objects.update_or_create(pk=row.pk, defaults={"ends": timezone.now() - timedelta(seconds=1)})


def statuses(client, row, query=""):
    """Of the page, its parts, its image, and the API."""
    parts = ("", "status/", "files/figure.png", "files/outlines.json")
    codes = [client.get(f"{page(row)}{part}{query}").status_code for part in parts]
    codes.append(client.get(f"/uploads/{row.micrograph_id}/preview.png{query}").status_code)
    codes.append(client.get(f"/api/v1/jobs/{row.pk}{query}").status_code)
    return set(codes)


@pytest.mark.parametrize(("ends", "days"), [("1 day", 1), ("1 week", 7), ("30 days", 30), ("never", None)])
def test_the_owner_sets_its_end(job, maker, client, ends, days):
    assert do(maker, job, "end", ends=ends).status_code == 303
    end = Link.objects.get().ends
    assert end is None if days is None else abs(end - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)
    assert statuses(client, job) == {200}


def test_a_day_counts_to_its_end(job, maker):
    day = timezone.localdate() + timedelta(days=3)
    do(maker, job, "end", ends="day", day=str(day))
    assert timezone.localtime(Link.objects.get().ends).date() == day


@pytest.mark.parametrize("day", ["", "soon", "2020-01-01", "2999-01-01", "2027-13-01", "0000-00-00", "9" * 50])
def test_what_is_no_day(job, maker, day):
    response = do(maker, job, "end", ends="day", day=day)
    assert response.status_code in (400, 422) and not Link.objects.exists()
    assert do(maker, job, "anything").status_code == 400


def test_an_expired_link_says_so(job, maker, client):
    expire(job)
    assert statuses(client, job) == {410}
    response = client.get(page(job))
    assert "expired" in words(response) and "tio2" not in words(response)
    assert "expired" in client.get(f"/api/v1/jobs/{job.pk}").json()["error"]
    assert statuses(maker, job) >= {200}
    assert do(client, job, "end", ends="never").status_code == 410


@pytest.mark.services
def test_a_new_link_stops_the_old_one_at_once(job, maker, client):
    assert statuses(client, job) == {200}
    do(maker, job, "renew")
    assert statuses(client, job) == {404}
    first = with_secret(job)
    assert statuses(Client(), job, first) == {200}
    do(maker, job, "renew")
    assert statuses(Client(), job, first) == {404}
    assert with_secret(job) in words(maker.get(page(job)))
    assert first not in str(list(Link.objects.values_list("number")))


def test_the_page_brings_its_pictures(job, maker, client):
    do(maker, job, "renew")
    client.get(page(job) + with_secret(job))
    assert client.get(f"{page(job)}files/figure.png").status_code == 200
    assert client.get(f"/uploads/{job.micrograph_id}/preview.png").status_code == 200
    do(maker, job, "renew")
    assert client.get(f"{page(job)}files/figure.png").status_code == 404


def test_a_browser_keeps_several_links(make_job, client):
    jobs = [make_job(visitor=VISITOR, state="done", summary=SUMMARY) for _ in range(3)]
    for row in jobs:
        links.change_link(row=row, renew=True)
        assert client.get(page(row) + with_secret(row)).status_code == 200
    assert {client.get(page(row)).status_code for row in jobs} == {200}


@pytest.mark.services
def test_switched_off_and_on(job, maker, client):
    do(maker, job, "off")
    assert statuses(client, job) == {410} and "switched off" in words(client.get(page(job)))
    assert maker.get(page(job)).status_code == 200
    do(maker, job, "on")
    assert statuses(client, job) == {200}


def test_a_private_result_gets_a_link(hers, signed_in, client, charlie):
    assert statuses(client, hers) == {404}
    assert "Private" in words(signed_in.get(page(hers)))
    do(signed_in, hers, "renew")
    assert statuses(client, hers) == {404}
    query = with_secret(hers)
    for holder in (client, Client()):
        assert holder.get(page(hers) + query).status_code == 200
    client.force_login(charlie)
    assert client.get(page(hers)).status_code == 200
    assert client.post(f"{page(hers)}delete/").status_code == 403
    do(signed_in, hers, "off")
    assert statuses(client, hers, query) == {410} and statuses(Client(), hers) == {404}


@pytest.mark.parametrize("query", ["", "?link=", "?link=x", "?link=" + "0" * 32, "?link=" + "9" * 5000, "?link=ä"])
def test_a_wrong_secret(hers, client, query):
    links.change_link(row=hers, renew=True)
    assert client.get(page(hers) + query).status_code == 404
    client.cookies["links"] = "forged:value"
    assert client.get(page(hers)).status_code == 404


def test_only_the_owner_changes_a_link(job, hers, client, charlie):
    links.change_link(row=hers, renew=True)
    client.force_login(charlie)
    client.get(page(hers) + with_secret(hers))
    before = list(Link.objects.values())
    assert do(client, job, "renew").status_code == 403 and do(client, hers, "off").status_code == 403
    for row in (job, hers):
        assert client.post(f"/api/v1/jobs/{row.pk}/link", {}, "application/json").status_code in (403, 404)
    assert list(Link.objects.values()) == before


def test_a_holder_looks_and_does_nothing_else(hers, client, charlie, settings):
    """Signing would keep the owner from deleting it, and another analysis would keep the image."""
    settings.DEEPSEGM_TRAINING = "accounts"
    links.change_link(row=hers, renew=True)
    client.force_login(charlie)
    response = client.get(page(hers) + with_secret(hers))
    for way in ("rerun", "width", "change", "sign", "training-data"):
        assert f"{page(hers)}{way}/" not in words(response) or way == "training-data"
        form = {"width": "640 nm", "password": "charlie's password", "name": "C", "meaning": "reviewed", "dataset": ""}
        assert client.post(f"{page(hers)}{way}/", form).status_code == 403, way
    fields = {"meaning": "reviewed", "name": "C", "password": "charlie's password"}
    address = f"/api/v1/jobs/{hers.pk}/signatures{with_secret(hers)}"
    assert client.post(address, fields, "application/json", headers=basic("charlie")).status_code == 403
    assert not hers.signatures.exists() and not hers.reruns.exists() and hers.micrograph.jobs.count() == 1


@pytest.mark.services
def test_images_of_a_sample_follow_its_link(make_sample, client):
    sample = make_sample("done", "done", visitor=VISITOR)
    job = sample.jobs.first()
    job.__class__.objects.filter(pk=job.pk).update(summary=SUMMARY)
    maker = visit(Client(), VISITOR)
    do(maker, sample, "renew", "samples")
    picture = f"/uploads/{job.micrograph_id}/preview.png"
    addresses = (page(sample, "samples"), page(job), picture, f"/api/v1/samples/{sample.pk}")
    assert {client.get(address).status_code for address in addresses} == {404}
    assert client.get(page(sample, "samples") + with_secret(sample)).status_code == 200
    assert {client.get(address).status_code for address in addresses[:3]} == {200}
    expire(sample)
    assert {client.get(address).status_code for address in addresses[:3]} == {410}
    links.change_link(row=job, renew=True)  # one image alone
    other = Client()
    assert other.get(page(job) + with_secret(job)).status_code == 200
    assert other.get(page(sample, "samples")).status_code == 404


def test_an_earlier_revision_keeps_its_own_link(job, make_job, client):
    links.change_link(row=job, off=True)
    child = make_job(micrograph=job.micrograph, parent=job, visitor=uuid4(), state="done", summary=SUMMARY, attempt=1)
    response = client.get(page(child))
    assert response.status_code == 200 and str(job.pk) not in words(response)
    Job.objects.filter(pk=child.pk).update(visitor=job.visitor)
    links.change_link(row=job, off=False)
    assert "There is a newer version: ask for its link" in words(client.get(page(job)))


def test_the_closed_site_opens_links_to_accounts_only(job, client, charlie, settings):
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    links.change_link(row=job, renew=True)
    assert client.get(page(job) + with_secret(job)).status_code == 302
    assert client.get(f"/api/v1/jobs/{job.pk}{with_secret(job)}").status_code == 401
    client.force_login(charlie)
    assert client.get(page(job)).status_code == 404
    assert client.get(page(job) + with_secret(job)).status_code == 200


def test_the_api(make_job, alice, client):
    row = make_job(owner=alice, state="done", summary=SUMMARY)
    address = f"/api/v1/jobs/{row.pk}/link"

    def post(**fields):
        return client.post(address, fields, "application/json", headers=basic("alice"))

    assert client.get(address, headers=basic("alice")).json() == {"state": "none", "address": None, "ends": None}
    made = post(renew=True, ends="1 week").json()
    assert made["state"] == "open" and made["ends"] and "?link=" in made["address"]
    assert client.get(f"/api/v1/jobs/{row.pk}?{made['address'].partition('?')[2]}").status_code == 200
    assert post(off=True).json()["state"] == "off"
    assert post(off=False).json()["address"] == made["address"]
    assert post(ends="yesterday").status_code == 422
    assert post(unknown=1).status_code == 400
    assert client.get(address).status_code == 404


def test_the_admin(job, make_sample, desk):
    data = {"action": "link_off", "_selected_action": [str(job.pk)]}
    desk.post("/admin/segmentation/job/", data)
    assert links.state_of(job) == "off" and Client().get(page(job)).status_code == 410
    desk.post("/admin/segmentation/job/", {**data, "action": "link_renew"})
    assert links.state_of(job) == "open" and Client().get(page(job)).status_code == 404
    assert "Private link" in words(desk.get(f"/admin/segmentation/job/{job.pk}/change/"))


def test_a_deleted_result_leaves_no_link(job):
    links.change_link(row=job, renew=True)
    job.delete()
    assert not Link.objects.exists()


def test_secrets_of_scripts_and_of_links_are_not_each_others(job, client):
    links.change_link(row=job, renew=True)
    key = links.secret_of(Link.objects.get())
    assert client.get(f"/api/v1/jobs/{job.pk}", headers=secret(key)).status_code == 404
