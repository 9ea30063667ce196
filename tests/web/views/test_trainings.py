"""The pages of trainings and models: who sees which, what they say, and that nothing is done twice."""

from __future__ import annotations

import re

import pytest
from django.template import engines
from django.test import RequestFactory
from django.urls import reverse

from segmentation.core.analysis import AnalysisSettings
from segmentation.learning.trainings import services as trainings
from segmentation.models import Job, ModelDefault, Training
from tests.web.finished import SUMMARY, visible, words
from tests.web.trained import COMPOSED, make_dataset, make_model, make_training, outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("learning")]
TRAINED = (
    "/models/tio2-1/",
    "/models/tio2-1/small.jpg",
    "/models/files/tio2-1.safetensors",
    "/models/files/tio2-1.toml",
)


def opens(people, address):
    return {name for name, browser in people.items() if browser.get(address).status_code == 200}


class TestWhoseModel:
    def test_a_private_one_is_not_there_for_others(self, people, alice):
        training = make_model(alice)
        for who in ({"alice", "ada"}, {"alice", "charlie", "ada"}):
            assert [opens(people, address) for address in TRAINED] == [who] * len(TRAINED)
            Training.objects.update(shared=True)
        trainings.withdraw_model(training=training)
        assert [opens(people, address) for address in TRAINED] == [{"alice", "ada"}] * len(TRAINED)

    def test_form_and_lists_name_it_only_to_those_who_may_use_it(self, people, alice):
        make_model(alice)
        for address in ("/", "/models/", "/results/", "/?model=tio2-1"):
            named = {name for name, browser in people.items() if b"tio2-1" in browser.get(address).content}
            assert named - {"nobody", "charlie"} <= {"alice"}, address
            assert not named & {"nobody", "charlie"}, address

    def test_results_stay_readable_without_their_model(self, people, alice, make_job):
        training = make_model(alice)
        made_by = SUMMARY | {"model": {"name": "tio2-1", "title": "TiO2", "version": "1", "sha256": "ab" * 32}}
        settings = AnalysisSettings.of(model="tio2-1")
        job = make_job(owner=alice, state="done", summary=made_by, settings=settings, files=("figure.png",))
        trainings.withdraw_model(training=training)
        page = people["alice"].get(f"/jobs/{job.pk}/")
        assert page.status_code == 200
        assert "TiO2, version 1" in visible(page)
        training.delete()
        assert people["alice"].get(f"/jobs/{job.pk}/").status_code == 200


class TestStarting:
    def test_the_form_says_what_it_takes_and_a_double_click_starts_one(self, people, alice):
        dataset = make_dataset(alice)
        address = f"/datasets/{dataset.pk}/train/"
        page = people["alice"].get(address)
        token = re.search(r'name="token" value="(\w+)"', page.content.decode())[1]
        assert re.search(r"Expected time:\W+about \d+ minutes", visible(page))
        assert "less reliable" in visible(page)
        sent = {"base": "particles", "title": " My\tpowder ", "learning_curve": "on", "token": token}
        first, second = (people["alice"].post(address, sent) for _ in range(2))
        made = Training.objects.get()
        assert (first.status_code, first["Location"]) == (303, f"/trainings/{made.pk}/")
        assert second["Location"] == first["Location"]
        assert made.options == {"title": "My powder", "learning_curve": True, "composed": False}

    def test_a_tick_composes_agglomerates_and_three_pictures_show_them(self, people, alice):
        dataset = make_dataset(alice, summary={"composed": COMPOSED})
        address = f"/datasets/{dataset.pk}/train/"
        page = words(people["alice"].get(address))
        assert re.findall(r'alt="([^"]*of your particles[^"]*)"', page) == [
            f"Agglomerates composed of your particles, with their outlines, {number} of 3" for number in (1, 2, 3)
        ]
        assert re.search(r"The training then takes\s+about \d+ minutes", page) and 'name="composed"' in page
        refused = words(people["alice"].post(address, {"base": "nothing", "composed": "on"}))
        assert re.search(r'name="composed"[^>]* checked', refused), "a refusal keeps the tick"
        assert people["alice"].post(address, {"base": "particles", "composed": "on"}).status_code == 303
        assert Training.objects.get().options["composed"] is True

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"summary": {}}, trainings.NOT_COUNTED),
            ({"summary": {"composed": {"whole": {"g0": 3}, "pictures": []}}}, "needs 10 whole, free particles"),
        ],
    )
    def test_where_nothing_can_be_composed_a_sentence_says_why(self, people, alice, fields, sentence):
        address = f"/datasets/{make_dataset(alice, **fields).pk}/train/"
        page = words(people["alice"].get(address))
        assert sentence in page and re.search(r'name="composed"[^>]* disabled', page) and "data:image" not in page
        answer = people["alice"].post(address, {"base": "particles", "composed": "on"})
        assert answer.status_code == 422 and sentence in words(answer) and not Training.objects.exists()

    def test_other_kinds_have_no_tick(self, people, alice):
        assert 'name="composed"' not in words(
            people["alice"].get(f"/datasets/{make_dataset(alice, task='grains').pk}/train/")
        )

    def test_a_refusal_keeps_what_was_typed(self, people, alice):
        dataset = make_dataset(alice)
        answer = people["alice"].post(f"/datasets/{dataset.pk}/train/", {"base": "nothing", "title": "Mine"})
        assert answer.status_code == 422
        assert 'value="Mine"' in words(answer)
        assert not Training.objects.exists()

    def test_strangers_find_no_form(self, people, alice, settings):
        address = f"/datasets/{make_dataset(alice).pk}/train/"
        assert opens(people, address) == {"alice", "ada"}
        settings.DEEPSEGM_TRAINING = "nobody"
        assert people["alice"].post(address, {"base": "particles"}).status_code == 403


class TestPage:
    @pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled", "done"])
    def test_every_state_without_a_summary(self, people, alice, state):
        training = make_training(alice, state=state, error="No room." if state == "failed" else "")
        assert people["alice"].get(f"/trainings/{training.pk}/").status_code == 200

    def test_polling_stops_when_it_is_over(self, people, alice):
        training = make_training(alice, state="running")
        assert "hx-get" in words(people["alice"].get(f"/trainings/{training.pk}/status/"))
        Training.objects.update(state="done")
        answer = people["alice"].get(f"/trainings/{training.pk}/status/", headers={"HX-Request": "true"})
        assert answer["HX-Refresh"] == "true"
        assert "hx-get" not in words(people["alice"].get(f"/trainings/{training.pk}/"))

    @pytest.mark.parametrize("size", range(0, 12, 3))
    def test_a_summary_that_has_just_begun(self, people, alice, size):
        summary = {name: outcome()[name] for name in list(outcome())[: 1 + size // 2]}
        summary["curve"] = summary.get("curve", [])[:size]
        training = make_training(alice, state="running", summary=summary)
        assert people["alice"].get(f"/trainings/{training.pk}/").status_code == 200

    @pytest.mark.parametrize("asked", [True, False])
    def test_what_composed_agglomerates_brought_is_said(self, people, alice, asked):
        gain = {"sentence": "On held-out images the error is 4.2 % with composed agglomerates.", "kept": True}
        summary = {**outcome(), **({"composed": gain} if asked else {})}
        training = make_training(alice, state="done", summary=summary, options={"composed": asked})
        page = visible(people["alice"].get(f"/trainings/{training.pk}/"))
        sentences = gain["sentence"], "as many with composed agglomerates,", "are those of the trainings without"
        assert [sentence in page for sentence in sentences] == [asked] * 3

    def test_the_outcome_stands_first_and_worse_images_are_shown(self, people, alice):
        page = visible(people["alice"].get(f"/trainings/{make_model(alice).pk}/"))
        assert page.index("fell from 13 %") < page.index("10.0–17.0")
        assert page.index("b.png") < page.index("a.png")  # what got worse comes first
        assert page.index("correct") < page.index("merged") < page.index("b.png")  # what the colours mean
        assert "More images are probably worth the time" in page and "In brackets" in page

    def test_an_error_with_a_sign_is_better_nearer_to_zero(self, people, alice):
        training = make_model(alice)
        row = training.summary["table"][0]
        row |= {
            "title": "Error of the pooled median size, %",
            "unit": "",
            "better": "zero",
            "before": -54.2,
            "before_interval": [-59.4, -47.5],
            "after": -20.1,
        }
        training.save()
        page = visible(people["alice"].get(f"/trainings/{training.pk}/"))
        assert "-54.2 % (-59.4 to -47.5)" in page and "worse" not in page[page.index("-59.4") : page.index("F1 at 0.5")]

    def test_one_line_tells_what_is_kept_and_what_the_base_stays_better_at(self, people, alice):
        training = make_model(alice)
        training.summary["share"] = {"share": 0.7, "keeps": 0.97, "sentence": "On 12 pictures it keeps 97 %."}
        training.summary["forgetting"][0]["after"] = 0.7
        training.save()
        page = visible(people["alice"].get(f"/trainings/{training.pk}/"))
        assert "On 12 pictures it keeps 97 %." in page and "0.810" in page and "0.700" in page

    def test_only_a_person_offers_what_is_no_better(self, people, alice):
        training = make_model(alice, improved=False)
        address = f"/trainings/{training.pk}/offer/"
        assert people["alice"].post(address).status_code == 409
        assert people["charlie"].post(address, {"overrule": "on"}).status_code == 404
        assert people["alice"].post(address, {"overrule": "on"}).status_code == 303
        for where in (f"/trainings/{training.pk}/", "/models/", "/models/tio2-1/"):
            assert "Offered by alice although" in visible(people["alice"].get(where))

    def test_after_a_withdrawal_one_button_offers_it_and_asks_for_the_tick(self, people, alice):
        training = make_model(alice, improved=False)
        at = f"/trainings/{training.pk}/"
        people["alice"].post(f"{at}offer/", {"overrule": "on"})
        people["alice"].post(f"{at}withdraw/")
        page = people["alice"].get(at).content.decode()
        assert page.count(f'action="{at}offer/"') == 1 and 'name="overrule" required' in page
        training.summary = {**training.summary, "share": {"share": 0.0, "keeps": None, "sentence": "It takes 0 %."}}
        training.save(update_fields=["summary"])
        page = people["alice"].get(at).content.decode()
        assert f'action="{at}offer/"' not in page and "took nothing of what was learnt" in page
        assert people["alice"].post(f"{at}offer/", {"overrule": "on"}).status_code == 409

    def test_the_other_buttons(self, people, alice):
        training = make_model(alice)
        at = f"/trainings/{training.pk}/"
        for name, end, status in (
            ("alice", "share/", 403),
            ("ada", "share/", 303),
            ("charlie", "withdraw/", 404),
            ("alice", "withdraw/", 303),
            ("alice", "cancel/", 409),
            ("alice", "retry/", 409),
        ):
            assert people[name].post(f"{at}{end}", {"shared": "on"}).status_code == status
        assert "Delete this training?" in visible(people["alice"].get(f"{at}delete/"))
        assert people["alice"].post(f"{at}delete/").status_code == 302
        assert not Training.objects.exists()


class TestDefault:
    def test_set_and_one_click_back(self, people, alice):
        make_model(alice)
        browser = people["alice"]
        chosen = '<option value="tio2-1" selected>'
        assert chosen not in words(browser.get("/"))
        assert browser.post("/default-model/", {"model": "tio2-1"}).status_code == 303
        assert chosen in words(browser.get("/"))
        assert chosen not in words(people["charlie"].get("/"))
        browser.post("/default-model/", {"do": "back", "task": "particles"})
        assert not ModelDefault.objects.exists()


class TestAgain:
    def test_from_my_results_to_the_differences(self, people, alice, make_job):
        make_model(alice)
        job = make_job(owner=alice, state="done", summary=SUMMARY)
        sent = {"do": "again", "model": "tio2-1", "job": str(job.pk)}
        response = people["alice"].post("/results/selected/", {"do": "again", "job": str(job.pk)})
        assert '<option value="tio2-1">' in words(response)
        answer = people["alice"].post("/results/selected/", sent)
        assert (answer.status_code, answer["Location"]) == (303, "/results/again/?model=tio2-1")
        new = Job.objects.get(parent=job)
        assert "Waiting" in visible(people["alice"].get(answer["Location"]))
        statistics = SUMMARY["statistics"] | {"median": 171.0, "d50": 171.0}
        Job.objects.filter(pk=new.pk).update(state="done", summary=SUMMARY | {"statistics": statistics})
        page = people["alice"].get(answer["Location"])
        assert "+10.0 %" in visible(page)
        assert f"{reverse('compare')}?a={job.pk}&amp;b={new.pk}" in words(page)

    def test_ticked_on_the_page_of_the_version(self, people, alice, make_job):
        training = make_model(alice)
        job = make_job(owner=alice, state="done", summary=SUMMARY)
        assert "1 of your results" in visible(people["alice"].get(f"/trainings/{training.pk}/"))
        people["alice"].post("/results/again/", {"model": "tio2-1", "job": str(job.pk)})
        assert Job.objects.filter(parent=job).count() == 1


class TestOnADatasetsPage:
    def test_its_trainings_for_those_who_may_see_them(self, alice, charlie, client):
        dataset = make_dataset(alice, shared=True)
        make_model(alice, dataset=dataset)
        for user, is_listed in ((alice, True), (charlie, False)):
            client.force_login(user)
            assert ("version 1" in client.get(f"/datasets/{dataset.pk}/").content.decode()) is is_listed

    def test_the_button_for_those_who_may_train(self, alice):
        dataset = make_dataset(alice)
        for images, offered in (([1, 2], "Train a model"), ([1], "1 of 2 images")):
            assert offered in fragment("_train", dataset, alice, may_train=True, page={"images": images})
        assert "Train a model" not in fragment("_train", dataset, alice, may_train=False)


def fragment(name, dataset, user, **context):
    request = RequestFactory().get("/")
    request.user = user
    template = engines["django"].get_template(f"datasets/{name}.html")
    return template.render({"dataset": dataset, "request": request, **context}, request)


def test_the_admin_lists_cancels_and_deletes(people, alice, ada):
    training, running = make_model(alice), make_training(alice, state="running")
    at = "/admin/segmentation/training/"
    for address in (at, f"{at}{training.pk}/change/", "/admin/segmentation/modeldefault/"):
        assert people["ada"].get(address).status_code == 200
    people["ada"].post(at, {"action": "cancel", "_selected_action": [str(running.pk), str(training.pk)]})
    running.refresh_from_db()
    assert running.state == "cancelled"
    people["ada"].post(f"{at}{training.pk}/delete/", {"post": "yes"})
    assert not Training.objects.filter(pk=training.pk).exists()
