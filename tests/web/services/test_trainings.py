"""Trainings: who may ask for which, what is refused and why, and what becomes of the models."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Permission

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.network import cards
from segmentation.core.network.cards import UnknownModel
from segmentation.learning.datasets.services import change_dataset, remove_image
from segmentation.learning.trainings import services as trainings
from segmentation.learning.trainings import trained
from segmentation.models import Dataset, ModelDefault, Training
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import models_offered
from segmentation.services.results.reruns import rerun_results, reruns_with, results_to_rerun
from tests.web.finished import SUMMARY
from tests.web.trained import BASE, add_image, add_pictures, install, make_dataset, make_model, make_training, outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("learning")]


def ask(dataset, user, base=BASE, **more):
    return trainings.create_training(dataset=dataset, base=base, options={"learning_curve": True}, user=user, **more)


def refusal(dataset, user, **more):
    with pytest.raises(Refused) as caught:
        ask(dataset, user, **more)
    return caught.value.status, caught.value.sentence


class TestAsking:
    def test_without_torch_the_form_says_first_what_to_install(self, alice, settings, monkeypatch):
        """Also of a dataset that has faults; elsewhere than on a laptop the trainer is another machine."""
        failed = make_training(alice, state=Training.State.FAILED)
        monkeypatch.setattr("segmentation.core.network.cards.find_spec", lambda name: None)
        dataset, settings.DEEPSEGM_EMBEDDED = make_dataset(alice, images=0), True
        sentence = cards.NEEDS_TORCH.format(what="A training")
        assert (trainings.training_obstacle(dataset, alice), refusal(dataset, alice)) == (sentence, (503, sentence))
        with pytest.raises(Refused, match="needs torch"):
            trainings.retry_training(training=failed)
        settings.DEEPSEGM_EMBEDDED = False
        assert "torch" not in trainings.training_obstacle(dataset, alice)

    def test_the_images_are_frozen_as_they_are(self, alice, queue, commit):
        dataset = make_dataset(alice)
        with commit():
            made = ask(dataset, alice)
        dataset.images.all().delete()
        made.refresh_from_db()
        assert [image["name"] for image in made.frozen] == ["a.png", "b.png", "c.png"]
        assert set(made.frozen[0]) == {"image", "name", "sha256", "labels_sha256", "group", "region"}
        assert (made.owner, made.state, queue) == (alice, "queued", ["training"])

    @pytest.mark.services
    def test_a_key_stands_for_one_request(self, alice):
        dataset = make_dataset(alice)
        ask(dataset, alice, key="k")
        install("other-1")
        assert refusal(dataset, alice, key="k", base="other-1")[0] == 409

    def test_a_training_of_another_account_does_not_block_the_owner_of_a_shared_dataset(self, alice, charlie):
        dataset = make_dataset(alice, shared=True)
        ask(dataset, charlie)
        assert ask(dataset, alice).state == "queued"

    def test_a_dataset_that_is_no_longer_shared_trains_for_nobody_else(self, alice, charlie):
        dataset = make_dataset(alice, shared=True)
        made = trainings.cancel_training(training=ask(dataset, charlie))
        change_dataset(dataset=dataset, shared=False)
        with pytest.raises(Refused, match="no longer shared") as caught:
            trainings.retry_training(training=Training.objects.get(pk=made.pk))
        assert caught.value.status == 409

    @pytest.mark.services
    def test_an_account_has_few_under_way(self, alice, settings):
        settings.DEEPSEGM_WAITING_TRAININGS = 1
        ask(make_dataset(alice), alice)
        assert refusal(make_dataset(alice), alice)[0] == 429

    @pytest.mark.parametrize(
        ("images", "fields", "status", "sentence"),
        [
            (0, {}, 422, trainings.NO_IMAGES),
            (1, {}, 422, trainings.ONE_IMAGE),
            (3, {"state": "queued"}, 409, trainings.UNCHECKED),
            (3, {"state": "failed", "error": "Full."}, 409, "Full."),
            (3, {"summary": {"findings": [{"error": True, "sentence": "a.png is torn."}]}}, 422, "a.png is torn."),
        ],
    )
    def test_a_dataset_that_cannot_be_learnt_from(self, alice, images, fields, status, sentence):
        answer = refusal(make_dataset(alice, images, **fields), alice)
        assert answer[0] == status
        assert sentence in answer[1]

    def test_images_without_outlines(self, alice):
        dataset = make_dataset(alice)
        dataset.images.update(summary={"objects": 0})
        assert refusal(dataset, alice) == (422, trainings.NO_OUTLINES)

    def test_too_few_outlines_to_learn_from(self, alice):
        dataset = make_dataset(alice)
        dataset.images.update(summary={"objects": 3})
        status, sentence = refusal(dataset, alice)
        assert status == 422 and "9 particles" in sentence
        dataset.images.filter(name="a.png").update(summary={"objects": 4})
        ask(dataset, alice)

    def test_the_expected_time_follows_the_dataset_and_the_site(self, alice, monkeypatch):
        monkeypatch.setattr(trainings, "slowdown", lambda: 1.0)
        small = make_dataset(alice)
        large = make_dataset(alice, 10)
        large.images.update(width=4000, height=4000)
        plain = trainings.expected_seconds(small, curve=False)
        assert trainings.expected_seconds(large, curve=False) > 1.5 * plain
        assert trainings.expected_seconds(large, curve=True) > trainings.expected_seconds(large, curve=False)
        large.images.update(region=[0, 0, 48, 64])
        assert trainings.expected_seconds(large, curve=False) < 1.5 * plain
        make_training(alice, small, state="done", summary={"plan": {"of_step": 0.3}})
        assert trainings.expected_seconds(small, curve=False) < plain / 2

    def test_a_busy_machine_takes_longer(self, alice, settings, monkeypatch):
        dataset, load = make_dataset(alice), [0.0]
        settings.DEEPSEGM_EMBEDDED, settings.DEEPSEGM_TRAINING_THREADS = True, 2
        monkeypatch.setattr(trainings.os, "cpu_count", lambda: 4)
        monkeypatch.setattr(trainings.os, "getloadavg", lambda: (load[0], 0.0, 0.0))
        assert trainings.slowdown() == 1.0
        idle = trainings.expected_seconds(dataset, curve=False)
        load[0] = 3.0
        assert trainings.slowdown() == 2.0 and trainings.expected_seconds(dataset, curve=False) > idle
        load[0] = 40.0
        assert trainings.slowdown() == 4.0
        settings.DEEPSEGM_EMBEDDED = False
        assert trainings.slowdown() == 1.0

    def test_images_that_are_not_written_yet(self, alice):
        dataset = make_dataset(alice)
        add_image(dataset, 5, labels="")
        assert refusal(dataset, alice) == (409, trainings.UNCHECKED)

    def test_a_warning_stops_nothing(self, alice):
        ask(make_dataset(alice, summary={"findings": [{"error": False, "sentence": "Few."}]}), alice)

    def test_base_models(self, alice):
        dataset = make_dataset(alice)
        install("phases-1", task="phases", maps=["a", "b"])
        assert refusal(dataset, alice, base="nothing")[0] == 422
        status, sentence = refusal(dataset, alice, base="phases-1")
        assert (status, "phases" in sentence) == (422, True)
        assert refusal(dataset, alice, base="auto-particles")[0] == 422

    def test_classes_must_be_the_same(self, alice):
        install("phases-1", task="phases", maps=["matrix", "carbide"])
        same = make_dataset(alice, task="phases", class_names=["matrix", "carbide"])
        other = make_dataset(alice, task="phases", class_names=["oxide", "metal"])
        assert [card.name for card in trainings.bases_for(same, alice)] == ["phases-1"]
        assert refusal(other, alice, base="phases-1")[0] == 422

    def test_who_may(self, alice, charlie, settings):
        dataset = make_dataset(alice)
        assert refusal(dataset, AnonymousUser())[0] == 401
        assert refusal(dataset, charlie)[0] == 404
        Dataset.objects.update(shared=True)
        assert ask(dataset, charlie).owner == charlie
        settings.DEEPSEGM_TRAINING = "staff"
        assert refusal(dataset, alice)[0] == 403

    def test_a_private_model_is_no_base_for_others(self, alice, charlie):
        make_model(charlie, "secret-1")
        status, sentence = refusal(make_dataset(alice), alice, base="secret-1")
        assert (status, "secret-1" not in sentence.partition("choose")[2]) == (422, True)


class TestAfterwards:
    @pytest.mark.services
    def test_it_is_not_tried_again_beside_another_or_without_its_dataset(self, alice):
        dataset = make_dataset(alice)
        failed = make_training(alice, dataset, state="failed")
        other = ask(dataset, alice)
        with pytest.raises(Refused, match="already waiting"):
            trainings.retry_training(training=failed)
        other.delete()
        dataset.delete()
        failed.refresh_from_db()
        with pytest.raises(Refused, match="deleted"):
            trainings.retry_training(training=failed)

    @pytest.mark.parametrize("state", ["cancelled", "failed", "queued"])
    def test_an_image_taken_back_ends_what_has_not_ended(self, alice, state, commit):
        made = make_training(alice, state=state, summary=outcome())
        add_pictures(made)
        run = trained.runs_folder() / str(made.pk) / "data"
        run.mkdir(parents=True)
        with commit():
            remove_image(image=made.dataset.images.get(name="a.png"))
        made.refresh_from_db()
        assert not run.exists() and not made.artifacts.exists() and made.summary == {}
        with pytest.raises(Refused, match="removed"):
            trained.check_training_images(made)
        if state != "queued":
            with pytest.raises(Refused, match="removed"):
                trainings.retry_training(training=made)

    def test_a_model_that_is_done_stays_without_pictures_of_what_was_taken_back(self, alice):
        made = make_model(alice)
        add_pictures(made)
        made.dataset.images.filter(name="c.png").delete()  # not one of the training
        assert made.artifacts.count() == 6
        remove_image(image=made.dataset.images.get(name="a.png"))
        made.refresh_from_db()
        assert {image["image"]: image["file"] for image in made.summary["images"]} == {
            "a.png": "",
            "b.png": "changed-b.webp",
        }
        assert not made.artifacts.filter(name="changed-a.webp").exists() and made.artifacts.exists()
        assert made.model_name and made.summary["table"]

    def test_a_model_that_is_no_better_needs_a_person(self, alice):
        made = make_model(alice, improved=False)
        with pytest.raises(Refused) as caught:
            trainings.offer_model(training=made, user=alice)
        assert (caught.value.status, made.offered) == (409, False)
        trainings.offer_model(training=made, user=alice, overrule=True)
        assert (made.offered, made.overruled_by) == (True, alice)
        assert "alice" in cards.find("tio2-1").limits[-1]
        trainings.withdraw_model(training=made)
        trainings.offer_model(training=made, user=alice, overrule=True)
        assert len(cards.find("tio2-1").limits) == 1

    @pytest.mark.parametrize("improved", [True, False])
    def test_a_training_that_takes_nothing_makes_no_model_to_offer(self, alice, improved):
        made = make_model(alice, improved=improved)
        made.summary["share"] = {"share": 0.0, "keeps": 1.0, "sentence": "It takes 0 %."}
        made.save()
        trainings.withdraw_model(training=made)
        for overrule in (False, True):
            with pytest.raises(Refused, match="took nothing") as caught:
                trainings.offer_model(training=made, user=alice, overrule=overrule)
            assert caught.value.status == 409
        assert not Training.objects.get(pk=made.pk).offered

    def test_a_card_with_limits_keeps_them(self, alice):
        made = make_model(alice, improved=False)
        install("tio2-1", limits=["Not for fibres."])
        trainings.offer_model(training=made, user=alice, overrule=True)
        assert [len(cards.find("tio2-1").limits), cards.find("tio2-1").limits[0]] == [2, "Not for fibres."]

    def test_a_model_goes_with_its_training(self, alice, settings, commit):
        made = make_model(alice)
        for end in (cards.GRAPH, cards.TEST):
            (settings.DEEPSEGM_MODELS / f"tio2-1{end}").write_bytes(b"beside the weights")
        with commit():
            trainings.delete_training(training=made)
        assert not list(settings.DEEPSEGM_MODELS.iterdir())

    @pytest.mark.services
    def test_and_with_its_account(self, alice, settings, commit):
        make_model(alice)
        with commit():
            alice.delete()
        assert not list(settings.DEEPSEGM_MODELS.iterdir())

    def test_a_training_without_a_model_offers_nothing(self, alice):
        with pytest.raises(Refused):
            trainings.offer_model(training=make_training(alice), user=alice, overrule=True)


class TestWhoseModels:
    @pytest.fixture
    def who(self, alice, charlie, ada):
        return {"alice": alice, "charlie": charlie, "ada": ada, "nobody": AnonymousUser()}

    @pytest.mark.parametrize(
        ("fields", "listed", "seen", "usable"),
        [
            ({}, {"alice"}, {"alice", "ada"}, {"alice", "ada"}),
            ({"shared": True}, {"alice", "charlie", "ada"}, {"alice", "charlie", "ada"}, {"alice", "charlie", "ada"}),
            ({"offered": False}, set(), {"alice", "ada"}, set()),
            ({"offered": False, "shared": True}, set(), {"alice", "ada"}, set()),
        ],
    )
    @pytest.mark.services
    def test_matrix(self, who, alice, fields, listed, seen, usable):
        make_model(alice, **fields)
        assert {name for name, user in who.items() if _lists(user)} == listed
        assert {name for name, user in who.items() if _sees(user)} == seen
        assert {name for name, user in who.items() if models_offered.is_usable("tio2-1", user)} == usable

    def test_the_sites_default_is_open_to_visitors(self, alice, ada):
        make_model(alice, shared=True)
        assert not _lists(AnonymousUser())
        models_offered.set_default(name="tio2-1", user=ada, site=True)
        assert _lists(AnonymousUser())

    def test_a_model_from_the_shell_is_everybodys(self, who):
        install("tio2-1")
        assert all(_lists(user) and models_offered.is_usable("tio2-1", user) for user in who.values())

    def test_a_row_never_hides_a_released_model(self, alice, charlie):
        make_training(alice, state="done", model_name=BASE)
        assert models_offered.is_usable(BASE, charlie)


@pytest.mark.services
class TestDefaults:
    def test_own_before_the_sites_before_the_automatic_one(self, alice, charlie, ada):
        assert models_offered.default_model("particles", alice) == "auto-particles"
        make_model(alice, "own-1")
        make_model(ada, "ours-1", shared=True)
        models_offered.set_default(name="ours-1", user=ada, site=True)
        models_offered.set_default(name="own-1", user=alice)
        names = [models_offered.default_model("particles", user) for user in (alice, charlie, AnonymousUser())]
        assert names == ["own-1", "ours-1", "ours-1"]

    def test_one_click_back_and_again_until_it_is_automatic(self, alice):
        for name in ("one-1", "two-2"):
            make_model(alice, name)
            models_offered.set_default(name=name, user=alice)
        models_offered.set_default(name="two-2", user=alice)  # twice is once
        assert models_offered.restore_default(task="particles", user=alice) == "one-1"
        assert models_offered.restore_default(task="particles", user=alice) == ""
        assert models_offered.default_model("particles", alice) == "auto-particles"
        with pytest.raises(Refused):
            models_offered.restore_default(task="particles", user=alice)

    def test_a_withdrawn_default_counts_no_more_and_back_leaves_it_out(self, alice):
        first, second = make_model(alice, "one-1"), make_model(alice, "two-2")
        for name in ("one-1", "two-2"):
            models_offered.set_default(name=name, user=alice)
        trainings.withdraw_model(training=second)
        assert models_offered.default_model("particles", alice) == "auto-particles"
        trainings.withdraw_model(training=first)
        assert models_offered.restore_default(task="particles", user=alice) == ""
        assert not ModelDefault.objects.exists()

    def test_who_may(self, alice, ada, django_user_model):
        make_model(alice, "own-1")
        for user, site, status in ((AnonymousUser(), False, 401), (alice, True, 403), (ada, True, 409)):
            with pytest.raises(Refused) as caught:
                models_offered.set_default(name="own-1", user=user, site=site)
            assert caught.value.status == status
        staff = django_user_model.objects.create_user("staff", is_staff=True)
        assert not models_offered.may_set_for_all(staff)
        staff.user_permissions.add(Permission.objects.get(codename="change_modeldefault"))
        assert models_offered.may_set_for_all(django_user_model.objects.get(username="staff"))


class TestAgain:
    @pytest.fixture
    def done(self, make_job, make_micrograph):
        def make(owner, name="a.png", **fields):
            micrograph = make_micrograph(owner=owner, name=name, sha256=name.ljust(64, "0"))
            return make_job(micrograph=micrograph, owner=owner, state="done", summary=SUMMARY, **fields)

        return make

    @pytest.mark.services
    def test_a_batch_makes_revisions_once(self, alice, done):
        make_model(alice)
        jobs = [done(alice, "a.png"), done(alice, "b.png")]
        assert list(results_to_rerun("tio2-1", alice)) == jobs[::-1]
        made = rerun_results(model="tio2-1", jobs=jobs, user=alice)
        assert rerun_results(model="tio2-1", jobs=jobs, user=alice).jobs == made.jobs
        assert [job.parent for job in made.jobs] == jobs
        assert {job.get_settings().segmentation.model for job in made.jobs} == {"tio2-1"}
        assert set(reruns_with("tio2-1", alice)) == set(made.jobs)
        assert not results_to_rerun("tio2-1", alice)

    def test_what_cannot_is_left_out_with_a_sentence(self, alice, done):
        make_model(alice)
        corrected, running = done(alice, "c.png", edit_count=2), done(alice, "d.png")
        type(running).objects.filter(pk=running.pk).update(state="running")
        running.refresh_from_db()
        phases = done(alice, "p.png", settings=AnalysisSettings.of("phases", model="uhcs-steel"))
        made = rerun_results(model="tio2-1", jobs=[corrected, running, phases, done(alice)], user=alice)
        assert (len(made.jobs), [note.partition(":")[0] for note in made.notes]) == (1, ["c.png", "d.png", "p.png"])

    def test_limits_hold(self, alice, done, settings):
        settings.DEEPSEGM_WAITING_JOBS = 1
        make_model(alice)
        made = rerun_results(model="tio2-1", jobs=[done(alice, "a.png"), done(alice, "b.png")], user=alice)
        assert (len(made.jobs), len(made.notes)) == (1, 1)
        with pytest.raises(Refused) as caught:
            rerun_results(model="tio2-1", jobs=[done(alice, "e.png")], user=alice)
        assert caught.value.status == 429


def _lists(user):
    return "tio2-1" in [card.name for card in models_offered.offered_models(user)]


def _sees(user):
    try:
        return models_offered.card_for(user, "tio2-1").name == "tio2-1"
    except UnknownModel:
        return False
