"""Methods through the services: saved, changed, approved, withdrawn, found by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import IntegrityError, transaction

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.quality.method import checksum_of
from segmentation.models import Job, Method, MethodVersion, StaffAction
from segmentation.quality.methods import services as methods
from segmentation.services.ground.refusal import Refused
from segmentation.services.results.corrections import signing
from tests.web.finished import summary

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(alice):
    group = Group.objects.create(name="Powders")
    alice.groups.add(group)
    return group


@pytest.fixture
def boss(charlie, group):
    """Another member of the group, who may approve."""
    charlie.groups.add(group)
    return may_approve(charlie)


@pytest.fixture
def job(make_job, alice):
    return make_job(state="done", owner=alice, settings=AnalysisSettings.of(threshold=0.4, operator="Ada"))


@pytest.fixture
def saved(job, alice, group):
    return methods.save_as_method(job=job, user=alice, name="Powder", group="Powders")


def may_approve(user):
    user.user_permissions.add(Permission.objects.get(codename="approve_method"))
    return type(user).objects.get(pk=user.pk)  # its rights are read anew


def request_of(user):
    return SimpleNamespace(user=user, META={}, axes_locked_out=False)


def approved(version, user, monkeypatch):
    monkeypatch.setattr(
        signing, "account_with_password", lambda request, name, password: user if password == "right" else None
    )
    methods.approve_version(version=version, request=request_of(user), password="right", checksum=version.checksum)
    return version


def description(version, **changes):
    return version.written.read().model_validate({**version.description, **changes})


def test_a_result_is_saved_with_all_that_decides_and_nothing_of_its_own(saved, alice, group):
    assert (saved.number, saved.state, saved.author, saved.method.group) == (1, "draft", "alice", group)
    method = saved.written.read()
    assert (method.model, method.model_sha256) == ("particles", "ab" * 32) and method.checksum == saved.checksum
    assert method.settings["threshold"] == 0.4 and "operator" not in method.settings
    assert method.scale_sources == ("metadata",)
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.name) == ("alice", "saved a method", "Powder, version 1")
    assert note.after["state"] == "draft"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"name": " "}, 422), ({"name": "Powder", "group": "Others"}, 422), ({"name": "x" * 151}, 422)],
)
def test_what_is_not_saved(job, alice, fields, status):
    with pytest.raises(Refused) as refused:
        methods.save_as_method(job=job, user=alice, **fields)
    assert refused.value.status == status and not Method.objects.exists()


def test_only_finished_results_of_a_model_and_of_accounts_are_saved(make_job, alice, job):
    imported = summary()
    imported["used"] = {"imported": {"name": "labels.tif"}}
    for other, user, status in (
        (make_job(owner=alice), alice, 409),
        (make_job(owner=alice, state="done", summary=imported), alice, 409),
        (job, AnonymousUser(), 401),
    ):
        with pytest.raises(Refused) as refused:
            methods.save_as_method(job=other, user=user, name="Powder")
        assert refused.value.status == status


def test_one_name_is_one_method_of_a_group_and_of_an_account(saved, job, alice):
    with pytest.raises(Refused, match="of this name"):
        methods.save_as_method(job=job, user=alice, name="Powder", group="Powders")
    methods.save_as_method(job=job, user=alice, name="Powder")  # her own
    with pytest.raises(Refused, match="of this name"):
        methods.save_as_method(job=job, user=alice, name="Powder")


def test_a_draft_changes_in_place_and_an_approved_version_never(saved, alice, boss, monkeypatch):
    with pytest.raises(Refused, match="Nothing is changed"):
        methods.change_method(method=saved.method, description=description(saved), user=alice)
    draft = methods.change_method(method=saved.method, description=description(saved, least_images=3), user=alice)
    assert draft.pk == saved.pk and draft.written.read().least_images == 3
    approved(draft, boss, monkeypatch)
    before = dict(MethodVersion.objects.filter(pk=draft.pk).values().get())
    fields = {"method": saved.method, "description": description(draft, least_images=5), "user": alice}
    with pytest.raises(Refused, match="Type the reason") as refused:
        methods.change_method(**fields)
    assert refused.value.status == 422
    second = methods.change_method(**fields, reason="Images differ more than we thought.")
    assert (second.number, second.state, second.authors) == (2, "draft", [])
    assert StaffAction.objects.first().after["purpose"] == second.purpose == "Images differ more than we thought."
    assert methods.changes_of(second) == ["Least number of images: 5, before 3."]
    assert MethodVersion.objects.filter(pk=draft.pk).values().get() == before
    with pytest.raises(TypeError, match="`update_if_unchanged`"):
        draft.save()
    with pytest.raises(Refused, match="An approved version stays"):
        methods.delete_draft(version=draft, user=alice)
    assert methods.delete_draft(version=second, user=alice) and list(saved.method.versions.all()) == [draft]


def test_another_result_is_the_next_version_and_keeps_what_the_method_asks_for(saved, make_job, alice):
    methods.change_method(method=saved.method, description=description(saved, least_images=3), user=alice)
    other = make_job(state="done", owner=alice, settings=AnalysisSettings.of(threshold=0.6))
    version = methods.save_as_method(job=other, user=alice, name="", method=saved.method)
    method = version.written.read()
    assert (version.number, method.settings["threshold"], method.least_images) == (1, 0.6, 3)  # the draft itself
    phases = make_job(state="done", owner=alice, settings=AnalysisSettings.of("phases", model="gamma-prime"))
    with pytest.raises(Refused, match="another kind"):
        methods.save_as_method(job=phases, user=alice, name="", method=saved.method)


def test_approving_needs_the_right_the_password_and_what_was_seen(saved, charlie, group, monkeypatch):
    charlie.groups.add(group)
    with pytest.raises(Refused, match="approve methods"):
        approved(saved, charlie, monkeypatch)
    charlie = may_approve(charlie)
    monkeypatch.setattr(signing, "account_with_password", lambda request, name, password: None)
    for checksum, sentence in (("other", "changed at the same moment"), (saved.checksum, "password is wrong")):
        with pytest.raises(Refused, match=sentence):
            methods.approve_version(version=saved, request=request_of(charlie), password="wrong", checksum=checksum)
    assert MethodVersion.objects.get().state == "draft"
    approved(saved, charlie, monkeypatch)
    assert (saved.state, saved.approver) == ("approved", "charlie") and saved.approved is not None
    note = StaffAction.objects.first()
    assert note.action == "approved a method" and (note.before["state"], note.after["state"]) == ("draft", "approved")
    with pytest.raises(Refused, match="this version is approved"):
        approved(saved, charlie, monkeypatch)


def test_a_draft_that_changed_meanwhile_is_not_approved(saved, alice, boss, monkeypatch):
    seen = MethodVersion.objects.get()
    methods.change_method(method=saved.method, description=description(saved, least_images=3), user=alice)
    with pytest.raises(Refused, match="changed at the same moment"):
        approved(seen, boss, monkeypatch)


def test_a_withdrawn_version_has_a_reason_and_is_offered_no_more(saved, alice, boss, monkeypatch):
    alice = may_approve(alice)
    with pytest.raises(Refused, match="Only an approved"):
        methods.withdraw_version(version=saved, user=alice, reason="x")
    approved(saved, boss, monkeypatch)
    with pytest.raises(Refused, match="Type the reason"):
        methods.withdraw_version(version=saved, user=alice, reason=" ")
    methods.withdraw_version(version=saved, user=alice, reason="The model has a fault.")
    assert (saved.state, saved.reason) == ("withdrawn", "The model has a fault.")
    assert methods.offered_versions(alice) == []
    for text in ("Powder", "Powder@1", str(saved.pk)):
        with pytest.raises(Refused, match="withdrawn") as refused:
            methods.find_version(text, alice)
        assert refused.value.status == 409


def test_a_version_of_an_earlier_release_keeps_its_checksum_and_says_the_same(saved, alice):
    earlier = {**saved.description, "settings": {"threshold": 0.4}}  # that had no other settings yet
    MethodVersion.objects.update(description=earlier, checksum=checksum_of(earlier))
    version = MethodVersion.objects.get()
    assert methods.settings_from_version(version, {}) == methods.settings_from_version(saved, {})
    with pytest.raises(Refused, match="Nothing is changed"):
        methods.change_method(method=version.method, description=saved.written.read(), user=alice)
    assert MethodVersion.objects.get().checksum == checksum_of(earlier) != saved.checksum


def test_who_sees_a_method(saved, alice, charlie, ada, job):
    own = methods.save_as_method(job=job, user=alice, name="Own")
    assert set(Method.objects.visible_to(alice)) == {saved.method, own.method}
    assert not Method.objects.visible_to(charlie).exists() and not Method.objects.visible_to(AnonymousUser()).exists()
    charlie.groups.add(saved.method.group)
    assert set(Method.objects.visible_to(charlie)) == {saved.method}
    assert Method.objects.visible_to(ada).count() == 2
    alice.delete()
    assert Method.objects.get(name="Powder").is_visible_to(charlie)  # the laboratory's method outlives an account


def test_who_only_sees_a_method_does_not_change_it(saved, charlie):
    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.add(Permission.objects.get(codename="view_method"))
    charlie = type(charlie).objects.get(pk=charlie.pk)
    assert saved.method.is_visible_to(charlie)
    for act in (
        lambda: methods.change_method(
            method=saved.method, description=description(saved, least_images=3), user=charlie
        ),
        lambda: methods.delete_draft(version=saved, user=charlie),
    ):
        with pytest.raises(Refused, match="Only the owner") as refused:
            act()
        assert refused.value.status == 403
    saved.method.group.user_set.add(charlie)
    assert methods.change_method(method=saved.method, description=description(saved, least_images=3), user=charlie)


def test_names_ids_and_numbers_lead_to_a_version(saved, alice, boss, monkeypatch, job):
    approved(saved, boss, monkeypatch)
    fields = {"method": saved.method, "description": description(saved, least_images=5), "user": alice}
    draft = methods.change_method(**fields, reason="More images.")
    assert methods.find_version("Powder", alice) == saved  # the approved one, though there is a newer draft
    assert methods.find_version("Powder@2", alice) == methods.find_version(str(draft.pk), alice) == draft
    for text in ("Other", "Powder@x", "Powder@", "", str(job.pk)):
        with pytest.raises(Refused, match="There is no method"):
            methods.find_version(text, alice)
    with pytest.raises(Refused, match="no version 3"):
        methods.find_version("Powder@3", alice)
    with pytest.raises(Refused, match="There is no method"):
        methods.find_version(str(saved.pk), AnonymousUser())
    methods.save_as_method(job=job, user=alice, name="Powder")
    with pytest.raises(Refused, match="Several methods"):
        methods.find_version("Powder", alice)
    methods.save_as_method(job=job, user=alice, name="A@1")
    assert methods.find_version("A@1", alice).method.name == "A@1"


def test_approved_methods_of_the_group_are_offered_first(saved, alice, job, monkeypatch, settings):
    settings.DEEPSEGM_ONE_PERSON = True
    alice = may_approve(alice)
    own = methods.save_as_method(job=job, user=alice, name="Approved of her own")
    draft = methods.save_as_method(job=job, user=alice, name="A draft")
    for version in (saved, own):
        approved(version, alice, monkeypatch)
    assert methods.offered_versions(alice) == [saved, own, draft]


def test_the_settings_are_the_methods_and_texts_that_it_leaves_open_the_laboratorys(make_job, alice):
    settings = AnalysisSettings.of(threshold=0.4, laboratory="Laboratory A", repeatability=2.0)
    version = methods.save_as_method(job=make_job(state="done", owner=alice, settings=settings), user=alice, name="P")
    laboratory = {"operator": "Bob", "laboratory": "Laboratory B", "repeatability": "9", "preparation": "dispersed"}
    assert methods.settings_from_version(version, laboratory) == settings.replaced(
        operator="Bob", preparation="dispersed"
    )


def test_a_method_that_is_deleted_leaves_its_results(saved, make_job, alice):
    job = make_job(owner=alice, state="done", method=saved)
    saved.method.delete()
    assert Job.objects.get(pk=job.pk).method is None


def test_no_two_versions_have_one_number(saved):
    with pytest.raises(IntegrityError), transaction.atomic():
        MethodVersion.objects.create(method=saved.method, number=1, description={}, checksum="", author="x")


# Four eyes


def test_no_author_of_a_version_approves_it(saved, alice, boss, charlie, monkeypatch, settings):
    alice = may_approve(alice)
    methods.change_method(method=saved.method, description=description(saved, least_images=3), user=boss)
    draft = MethodVersion.objects.get()
    assert draft.makers == {"alice", "charlie"} and draft.author == "charlie"
    for author in (alice, boss):  # alice wrote the draft that charlie changed
        with pytest.raises(Refused, match="another account approves it") as refused:
            approved(draft, author, monkeypatch)
        assert refused.value.status == 403
    settings.DEEPSEGM_ONE_PERSON = True
    approved(draft, boss, monkeypatch)
    assert draft.state == "approved" and draft.is_own_approval


def test_to_look_and_to_approve_are_not_enough(saved, charlie, group, monkeypatch):
    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.add(Permission.objects.get(codename="view_method"))
    charlie = may_approve(charlie)
    assert saved.method.is_visible_to(charlie)
    for act in (
        lambda: approved(saved, charlie, monkeypatch),
        lambda: methods.withdraw_version(version=saved, user=charlie, reason="x"),
    ):
        with pytest.raises(Refused, match="may change this method and approve") as refused:
            act()
        assert refused.value.status == 403
    charlie.groups.add(group)
    approved(saved, charlie, monkeypatch)


# What has results


def test_a_draft_that_has_results_never_changes_and_stays(saved, alice, boss, make_job, make_sample, monkeypatch):
    job = make_job(owner=alice, method=saved)  # it is not even finished
    before = MethodVersion.objects.filter(pk=saved.pk).values().get()
    fields = {"method": saved.method, "description": description(saved, least_images=3), "user": boss}
    with pytest.raises(Refused, match="Type the reason"):
        methods.change_method(**fields)
    second = methods.change_method(**fields, reason="More images.")
    assert (second.number, second.state, second.makers) == (2, "draft", {"alice", "charlie"})
    assert MethodVersion.objects.filter(pk=saved.pk).values().get() == before
    with pytest.raises(Refused, match="Results were made by this draft"):
        methods.delete_draft(version=saved, user=alice)
    assert saved.checksum == checksum_of(MethodVersion.objects.get(pk=saved.pk).description)
    methods.delete_draft(version=second, user=alice)
    job.delete()
    make_sample(owner=alice, method=saved)
    assert methods.change_method(**fields, reason="More images.").number == 2
