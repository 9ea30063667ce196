"""Quality behind one switch: off for newcomers, on where methods or reference materials are, and one place for all."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

from segmentation.core.quality.control_chart import ChartPlan
from segmentation.models import Laboratory, MethodVersion, Reference
from segmentation.quality.control_charts import services as charts
from segmentation.quality.methods import services as methods
from tests.web.finished import visible, words

from .test_references import MATERIAL

pytestmark = pytest.mark.django_db
LINK = 'href="/quality/"'


@pytest.fixture
def job(make_job, alice):
    return make_job(state="done", owner=alice, attempt=1)


def offers(browser, job):
    page = words(browser.get(f"/jobs/{job.pk}/"))
    return {name for name in ("save-method", "choose-reference") if f'id="{name}"' in page}


def test_a_newcomer_sees_none_of_it_until_the_switch(signed_in, job):
    assert LINK not in words(signed_in.get("/")) and offers(signed_in, job) == set()
    assert signed_in.get("/quality/").status_code == signed_in.get("/methods/").status_code == 200
    assert "You have no method yet" in words(signed_in.get("/quality/"))
    signed_in.post("/laboratory/", {"quality": "on", "operator": "Ada"})
    assert LINK in words(signed_in.get("/"))
    assert "save-method" in offers(signed_in, job)
    signed_in.post("/laboratory/", {"operator": "Ada"})
    assert LINK not in words(signed_in.get("/")) and Laboratory.objects.get().texts == {
        "operator": "Ada",
        "quality": "off",
    }


def test_who_has_a_method_or_material_of_his_own_or_of_a_group_finds_it_on(people, alice, charlie, job):
    Group.objects.create(name="Powders").user_set.set([alice, charlie])
    methods.save_as_method(job=job, user=alice, name="Powder", group="Powders")
    assert all(LINK in words(people[name].get("/")) for name in ("alice", "charlie"))
    assert LINK not in words(people["visitor"].get("/"))
    page = people["charlie"].post("/laboratory/", {})
    assert page.status_code == 302 or page.status_code == 303
    assert LINK not in words(people["charlie"].get("/")), "he has switched it off"
    version = MethodVersion.objects.get()
    assert people["charlie"].get(f"/methods/{version.method_id}/").status_code == 200, "addresses go on working"


def test_a_reference_material_switches_it_on(signed_in, alice):
    Reference.objects.create(owner=alice, name="Spheres", material=MATERIAL)
    assert LINK in words(signed_in.get("/"))
    assert "150 ± 4 nm" in visible(signed_in.get("/quality/"))


def test_what_needs_attention_comes_first(people, alice, charlie, job):
    Group.objects.create(name="Powders").user_set.set([alice, charlie])
    charlie.user_permissions.add(Permission.objects.get(codename="approve_method"))
    version = methods.save_as_method(job=job, user=alice, name="Powder", group="Powders")
    chart = charts.create_chart(
        method=version.method, plan=ChartPlan(quantity="median"), reference=None, user=alice, material=""
    )
    page = people["charlie"].get("/quality/")
    assert [sentence for _, _, sentence in page.context["attention"]] == ["It waits for your approval."]
    assert people["alice"].get("/quality/").context["attention"] == [], "an author approves nothing"
    assert str(chart) in visible(page) and words(page).index("attention") < words(page).index('id="methods"')
