"""A job's page in every state, and everything that can be done there."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import DO_NOT_USE, TILTED, Flag, as_json
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.quantities import NUMBERS
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF
from segmentation.core.micrograph.types import Calibration
from segmentation.core.tasks.judgement import NONE_FOUND
from segmentation.models import Job, Micrograph, Segmentation, Superseded
from segmentation.presenters.choices import SettingButton
from segmentation.presenters.listing import UNREADABLE
from segmentation.presenters.result import Result
from segmentation.views.job.job_status import SOON
from tests.web.finished import FILES, SUMMARY, VISITOR, ZEISS, summary, templates, words

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
AS_BEFORE = {"scale": "factor", "scale_factor": "0.5"}


@pytest.fixture
def job(make_job):
    def make(state=Job.State.DONE, **fields):
        defaults = {"visitor": VISITOR, "state": state}
        if state == Job.State.DONE:
            defaults |= {"summary": SUMMARY, "files": FILES, "attempt": 1, "progress": 1.0}
        return make_job(**{**defaults, **fields})

    return make


def address(job, end=""):
    return f"/jobs/{job.pk}/{end}"


class TestWaiting:
    def test_a_queued_job_says_its_place(self, maker, job):
        job(Job.State.QUEUED)
        second = job(Job.State.QUEUED)
        page = words(maker.get(address(second)))
        assert 'sentence queued" id="status"' in page
        assert "Number 2 in" in page
        assert f'class="share" href="http://testserver{address(second)}"' in page, "to come back to"

    def test_a_job_that_was_begun_and_waits_again_has_no_place_and_keeps_its_progress(self, maker, job):
        """Its place would be the first, as that of the job that is next."""
        job(Job.State.QUEUED)
        begun = words(maker.get(address(job(Job.State.QUEUED, progress=0.6, attempt=1))))
        assert "Waiting to go on" in begun and "60 % done." in begun and "in the queue" not in begun
        assert re.search(r'<progress max="100" value="60"', begun)

    def test_a_running_job_says_stage_and_share(self, maker, job):
        running = job(Job.State.RUNNING, stage="separating particles", progress=0.62)
        page = words(maker.get(address(running)))
        assert "Separating particles" in page
        assert "62 % done" in page
        assert f'data-status="/jobs/{running.pk}/status/"' in page
        assert '<noscript><meta http-equiv="refresh"' in page
        assert f"http://testserver/jobs/{running.pk}/" in page

    def test_the_picture_comes_to_a_page_that_was_opened_before_the_file_was_read(self, maker, job):
        running = job(Job.State.RUNNING)
        picture, preview = f'src="/uploads/{running.micrograph.pk}/preview.png"', running.micrograph.preview.name
        Micrograph.objects.update(preview="")
        assert picture not in words(maker.get(address(running)))
        assert picture not in words(maker.get(address(running, "status/?unseen"), headers=HTMX))
        Micrograph.objects.update(preview=preview)
        assert picture in words(maker.get(address(running, "status/?unseen"), headers=HTMX))
        assert picture not in words(maker.get(address(running, "status/"), headers=HTMX))

    def test_outlines_come_as_they_are_found_each_part_once(self, maker, job):
        early = {"width": 64, "height": 48, "paths": ["M1 1 9 1 9 9Z", "M20 20 29 20 29 29Z"], "part": "1-1"}
        running = job(Job.State.RUNNING, early=early)
        for page in (address(running), address(running, "status/?part=")):
            drawn = words(maker.get(page, headers=HTMX if "status" in page else {}))
            assert 'viewBox="0 0 64 48"' in drawn and drawn.count("<path") - drawn.count("dropzone") >= 2
            assert '<path d="M20 20 29 20 29 29Z"/></svg>' in drawn
        again = words(maker.get(address(running, "status/?part=1-1"), headers=HTMX))
        assert "<svg" not in again and 'data-part="1-1"' in again

    def test_the_tab_says_how_far_it_is_and_when_it_is_done(self, maker, job):
        running = job(Job.State.RUNNING, progress=0.63)
        assert f"<title>63 % {running.micrograph.name}" in words(maker.get(address(running)))
        now = timezone.now()
        for finished, title in ((now, "<title>Done: "), (now - timedelta(hours=1), "<title>")):
            done = job(finished=finished)
            assert f"{title}{done.micrograph.name}" in words(maker.get(address(done)))

    def test_its_numbers_are_shown_before_its_files_are_written(self, maker, job):
        running = job(Job.State.RUNNING, stage="drawing the figure", progress=0.8, summary=SUMMARY)
        for page in (maker.get(address(running)), maker.get(address(running, "status/"), headers=HTMX)):
            text = words(page)
            assert "<b>261</b>" in text and "<progress" in text
        queued_text = words(maker.get(address(job(Job.State.QUEUED, summary=SUMMARY))))
        assert "<b>261</b>" not in queued_text, "they may change at the next attempt"

    def test_each_channel_of_a_map_of_elements_is_one_press(self, maker, job, make_micrograph):
        metadata = {"pages": 2, "colours": "map of elements", "channels": "red, green"}
        text = words(maker.get(address(job(micrograph=make_micrograph(metadata=metadata, visitor=VISITOR)))))
        assert '<button name="page" value="2">Analyse the channel green</button>' in text
        assert "Another page" not in text

    @pytest.mark.parametrize("without", [{"refused": True}, {"statistics": None, "task": "phases"}], ids=str)
    def test_no_count_is_stated_of_a_picture_that_is_refused_or_has_no_sizes(self, maker, job, without):
        running = job(Job.State.RUNNING, stage="writing the files", progress=0.86, summary={**SUMMARY, **without})
        assert '<span class="headline"></span>' in words(maker.get(address(running)))

    def test_the_fragment_asks_again_while_the_job_is_unfinished(self, maker, job):
        young, old = job(Job.State.RUNNING), job(Job.State.RUNNING, queued=timezone.now() - SOON)
        assert 'data-every="200"' in words(maker.get(address(young, "status/"), headers=HTMX))
        response = maker.get(address(old, "status/"), headers=HTMX)
        assert 'data-every="1000"' in words(response)
        assert "<html" not in words(response)
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize("state", [Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED])
    def test_the_polling_ends_with_the_job(self, maker, job, state):
        ended = job(state)
        assert maker.get(address(ended, "status/"), headers=HTMX)["HX-Refresh"] == "true"
        for page in (address(ended), address(ended, "status/")):
            content = words(maker.get(page))
            assert 'hx-trigger="every' not in content and "data-status" not in content
        assert "http-equiv" not in words(maker.get(address(ended)))

    def test_the_polling_ends_when_the_job_was_deleted_elsewhere(self, maker, job):
        gone = job(Job.State.RUNNING)
        there = address(gone, "status/")
        gone.delete()
        response = maker.get(there, headers=HTMX)
        assert (response.status_code, response["HX-Refresh"]) == (404, "true")
        assert maker.get(there).status_code == 404

    def test_a_failed_job_says_why_and_what_to_do(self, maker, job):
        failed = job(Job.State.FAILED, error="Needs <more> memory.")
        page = words(maker.get(address(failed)))
        assert "Needs &lt;more&gt; memory." in page
        assert (
            f'formaction="{address(failed, "retry/")}"' in page and f'action="{address(failed, "settings/")}"' in page
        )

    def test_strangers_with_the_link_see_no_settings(self, client, job):
        assert 'name="width"' not in words(client.get(address(job(Job.State.RUNNING))))


class TestSettings:
    """What stands beside a picture without numbers changes its analysis, at the same address."""

    def change(self, maker, job, **fields):
        response = maker.post(address(job, "settings/"), {"width": "", "token": uuid4().hex, **fields})
        job.refresh_from_db()
        return response

    def test_another_search_supersedes_the_one_under_way(self, maker, job, queue, commit):
        running = job(Job.State.RUNNING, attempt=1, early={"part": "1-1"}, summary=SUMMARY)
        with commit():
            response = self.change(maker, running, threshold="0.4")
        assert (response.status_code, response["Location"], Job.objects.count()) == (303, address(running), 1)
        assert (running.state, running.early, running.summary, queue) == ("queued", {}, {}, ["analyses"])
        assert running.get_settings().segmentation.threshold == 0.4
        with pytest.raises(Superseded):
            Job(pk=running.pk, attempt=1).report(stage="outlining")

    def test_what_only_measures_does_not_disturb_the_search(self, maker, job):
        running = job(Job.State.RUNNING, attempt=1)
        self.change(maker, running, width="640", filter="on")
        measurement = running.get_settings().measurement
        assert (running.state, measurement.filter, measurement.calibration.nm_per_pixel) == ("running", True, 10.0)
        page = words(maker.get(address(running)))
        assert 'value="640"' in page and 'name="filter" value="on" checked' in page

    def test_outlines_that_are_there_are_measured_again(self, maker, job):
        micrograph = job().micrograph
        outlines = Segmentation.objects.create(micrograph=micrograph, model_name="particles", size=1)
        running = job(Job.State.RUNNING, attempt=1, segmentation=outlines, micrograph=micrograph)
        self.change(maker, running, width="640")
        assert (running.state, running.segmentation) == ("queued", outlines)
        self.change(maker, running, width="640", threshold="0.4")
        assert running.segmentation is None

    def test_a_width_lets_an_image_start_whose_bar_is_still_being_read(self, maker, job):
        waiting = job(Job.State.QUEUED, ready=False, asked={"width": "", "source": None})
        Micrograph.objects.update(state="queued")
        self.change(maker, waiting, threshold="0.4")
        assert (waiting.ready, waiting.asked["width"]) == (False, "")
        self.change(maker, waiting, width="640", threshold="0.4")
        assert waiting.ready and waiting.get_settings().measurement.calibration.nm_per_pixel == 10.0

    def test_a_scale_that_the_field_does_not_show_stays(self, maker, job):
        drawn = Calibration(5.0, "drawn")
        running = job(Job.State.RUNNING, settings=AnalysisSettings.of(calibration=drawn))
        self.change(maker, running, threshold="0.4")
        assert running.get_settings().measurement.calibration == drawn

    def test_what_has_ended_is_followed_by_another(self, maker, job):
        failed = job(Job.State.FAILED, error="x")
        response = self.change(maker, failed, threshold="0.4")
        new = Job.objects.get(parent=failed)
        assert (response["Location"], failed.state) == (address(new), "failed")

    @pytest.mark.parametrize(
        "fields", [{"width": "7,5 ly"}, {"threshold": "7"}, {"data_bar": "rows", "data_bar_rows": "4000"}]
    )
    def test_what_cannot_be_is_said_beside_the_picture(self, maker, job, fields):
        running = job(Job.State.RUNNING)
        response = self.change(maker, running, **fields)
        assert response.status_code == 400 and running.state == "running"
        assert 'class="wrong-text"' in words(response) or "has only" in words(response)
        assert f'value="{next(iter(fields.values()))}"' in words(response) or "4000" in words(response)

    def test_strangers_cannot(self, client, job):
        running = job(Job.State.RUNNING)
        assert client.post(address(running, "settings/"), {"threshold": "0.4"}).status_code == 403
        assert client.get(address(running, "settings/"))["Location"] == address(running)


class TestActions:
    def test_cancel(self, maker, job):
        running = job(Job.State.RUNNING)
        assert maker.post(address(running, "cancel/"))["Location"] == address(running)
        running.refresh_from_db()
        assert running.state == Job.State.CANCELLED

    def test_delete_asks_first(self, maker, job):
        done = job()
        assert "Delete this result?" in words(maker.get(address(done, "delete/")))
        assert Job.objects.exists()
        assert maker.post(address(done, "delete/"))["Location"] == "/results/"
        assert not Job.objects.exists()
        assert maker.get(address(done)).status_code == 404


class TestRerun:
    def test_the_form_is_prefilled(self, maker, job):
        measuring = {"filter": True, "border_correction": "weight", "calibration": Calibration(**ZEISS)}
        recipe = AnalysisSettings.of(threshold=0.35, polarity="dark", data_bar=8, scale=0.5, flips=True, **measuring)
        page = words(maker.get(address(job(settings=recipe))))
        assert re.search('name="threshold"[^>]* value="0.35"', page)
        assert '<option value="dark" selected>' in page
        assert 'name="filter" value="on" checked' in page
        assert 'name="data_bar" value="rows" checked' in page
        assert '<option value="weight" selected>' in page
        assert 'name="flips" value="on" checked' in page
        assert 'name="scale" value="factor" checked' in page
        assert 'name="scale_factor" inputmode="decimal"' in page
        assert 'value="470"' in page

    def test_it_makes_a_new_job_from_the_same_image(self, maker, job):
        old = job()
        typed = {"token": uuid4().hex, "threshold": "0.6", "filter": "on"}
        response = maker.post(address(old, "rerun/"), typed)
        new = Job.objects.exclude(pk=old.pk).get()
        assert (response.status_code, response["Location"]) == (303, address(new))
        assert (new.parent, new.micrograph, new.visitor) == (old, old.micrograph, VISITOR)
        recipe = new.get_settings()
        assert (recipe.segmentation.threshold, recipe.measurement.filter) == (0.6, True)
        old.refresh_from_db()
        assert old.state == Job.State.DONE

    def test_the_scale_stays_with_its_source(self, maker, job):
        drawn = Calibration.of_line(500, 50)
        old = job(settings=AnalysisSettings.of(calibration=drawn, scale=0.5))
        maker.post(address(old, "rerun/"), {"token": uuid4().hex, "polarity": "dark", **AS_BEFORE})
        recipe = Job.objects.exclude(pk=old.pk).get().get_settings()
        assert recipe == AnalysisSettings.of(calibration=drawn, scale=0.5, polarity="dark")

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            ({"data_bar": "rows", "data_bar_rows": "4000"}, "only 48"),
            ({"scale": "size", "particle_px": "3"}, "from 14 to 1400"),
        ],
    )
    def test_errors_keep_what_was_typed(self, maker, job, typed, message):
        response = maker.post(address(job(), "rerun/"), {"polarity": "dark", **typed})
        page = words(response)
        assert response.status_code == 400
        assert message in page
        assert '<option value="dark" selected>' in page
        assert re.search(r'id="rerun" open', page)
        assert Job.objects.count() == 1

    @pytest.mark.parametrize("ticked", [True, False])
    def test_it_is_segmented_again_where_that_is_ticked(self, maker, job, ticked):
        old = job()
        old.segmentation = Segmentation.objects.create(micrograph=old.micrograph, model_name="particles", size=1)
        old.save()
        assert "Segment again" in words(maker.get(address(old)))
        maker.post(
            address(old, "rerun/"), {"filter": "on", "token": uuid4().hex, **({"again": "on"} if ticked else {})}
        )
        new = Job.objects.exclude(pk=old.pk).get()
        assert new.segmentation == (None if ticked else old.segmentation)

    def test_what_a_replaced_model_found_is_called_so(self, maker, job, model):
        old = job()
        old.segmentation = Segmentation.objects.create(
            micrograph=old.micrograph, model_name="particles", weights=model.sha256, size=1
        )
        old.save()
        assert "no longer installed" not in words(maker.get(address(old)))
        Segmentation.objects.update(weights="f" * 64)
        assert re.search(r"version of particles [^.<]*installed", words(maker.get(address(old))))

    def test_what_a_removed_model_found_is_measured_by_the_form_as_it_stands(self, maker, job):
        old = job(settings=AnalysisSettings.of(model="visiting"))
        old.segmentation = Segmentation.objects.create(micrograph=old.micrograph, model_name="visiting", size=1)
        old.save()
        page = maker.get(address(old)).content.decode()
        assert '<option value="visiting" selected>visiting (' in page
        typed = {"model": "visiting", "filter": "on", "token": uuid4().hex}
        assert maker.post(address(old, "rerun/"), typed).status_code == 303
        new = Job.objects.exclude(pk=old.pk).get()
        assert (new.segmentation, new.get_settings().segmentation.model) == (old.segmentation, "visiting")
        response = maker.post(address(old, "rerun/"), {**typed, "threshold": "0.4", "token": uuid4().hex})
        assert response.status_code == 400 and "&#x27;visiting&#x27;" in words(response)

    def test_whoever_has_the_link_may_run_it_again_as_their_own(self, client, job):
        old = job()
        client.post(address(old, "rerun/"), {"filter": "on"})
        new = Job.objects.exclude(pk=old.pk).get()
        assert new.visitor not in (None, VISITOR)


class TestChange:
    """One click, one other setting."""

    def test_all_other_settings_stay(self, maker, job):
        calibration = Calibration(**ZEISS)
        recipe = AnalysisSettings.of(threshold=0.35, data_bar=8, scale=0.5, calibration=calibration, operator="A. B.")
        old = job(settings=recipe)
        typed = {"token": uuid4().hex, "filter": "on"}
        answer = maker.post(address(old, "change/"), typed)
        new = Job.objects.exclude(pk=old.pk).get()
        assert (answer.status_code, answer["Location"], new.parent) == (303, address(new), old)
        assert new.get_settings() == recipe.replaced(filter=True)
        assert maker.post(address(old, "change/"), typed)["Location"] == address(new), "twice is once"

    @pytest.mark.parametrize(("name", "value"), [("model", "nosuch"), ("filter", "perhaps"), ("repeatability", "-3")])
    def test_nonsense_is_refused_in_a_sentence(self, maker, job, name, value):
        answer = maker.post(address(job(), "change/"), {name: value})
        assert answer.status_code == 400 and "refused.html" in templates(answer) and Job.objects.count() == 1

    def test_a_reason_can_be_lit_in_the_image_and_counted_again(self, maker, job, monkeypatch):
        frame = {"touches the frame": SettingButton("count them", "border_correction", "weight")}
        monkeypatch.setattr("segmentation.presenters.choices.COUNT_BUTTONS", frame)
        monkeypatch.setattr("segmentation.core.report.summary.first_screen.BY_OTHERS", (Reason.FRAME,))
        page = words(maker.get(address(job())))
        assert page.count(f'data-lights="{Reason.FRAME}"') == 2 and Reason.FRAME.definition in page
        assert f"<b>Note:</b> 30 left out: {Reason.FRAME}." in page
        assert '<input type="hidden" name="border_correction" value="weight">' in page
        assert page.count("count them") == 1 and f'data-lights="{Reason.SLIP}"' in page
        frame["touches the frame"] = SettingButton(
            "count them", "nosuch", "0"
        )  # which this kind of analysis does not have
        assert "count them" not in words(maker.get(address(job())))

    def test_a_tilt_is_corrected_by_one_click(self, maker, job):
        short = f"{TILTED} 52°: vertical lengths are 62 % of the true ones"
        tilt = Flag.doubtful("The stage was tilted by 52°.", short, moves="sizes", by=0.38, kind="tilt")
        old = job(summary=summary() | as_json([tilt]))
        beside = words(maker.get(address(old))).partition('id="notes"')[0]
        assert short in beside and "correct for the tilt" in beside
        assert '<input type="hidden" name="tilt_correction" value="file">' in beside
        maker.post(address(old, "change/"), {"tilt_correction": "file"})
        assert old.reruns.get().get_settings() == old.get_settings().replaced(tilt_correction="file")

    def test_faint_outlines_and_gaps_are_told_where_the_numbers_are(self, maker, job):
        aside = {"much fainter than the others": 77, "touches the frame": 2}
        page = words(maker.get(address(job(summary=summary(n_set_aside=79, set_aside=aside)))))
        assert f"77 left out: {Reason.FAINT}." in page and "2 left out" not in page
        assert '<input type="hidden" name="faint_limit" value="0">' in page and "count them" in page
        both = summary(n_set_aside=80, set_aside={**aside, "gap between particles": 1})
        assert words(maker.get(address(job(summary=both)))).count(">count both</button>") == 1
        hidden = words(maker.get(address(job(summary=summary(n_set_aside=2, set_aside={Reason.HIDDEN: 2})))))
        assert '<input type="hidden" name="measurand" value="all">' in hidden and "2 left out:" not in hidden
        old = job()
        maker.post(address(old, "change/"), {"faint_limit": "0"})
        assert old.reruns.get().get_settings() == old.get_settings().replaced(faint_limit=0)

    def test_regions_are_counted_and_typed_without_scripts(self, maker, job):
        regions = [[[0, 0], [20, 20]], [[30, 5], [60, 5], [45, 40]]]
        old = job(settings=AnalysisSettings.of(ignore=regions))
        page = words(maker.get(address(old)))
        assert "2 regions are ignored." in page and "of this size" not in page
        assert 'name="ignore" id="id_ignore"' in page and 'value="0,0,20,20; 30,5,60,5,45,40"' in page
        maker.post(address(old, "change/"), {"ignore": "30,5,60,5,45,40"})
        assert old.reruns.get().get_settings() == old.get_settings().replaced(ignore=regions[1:])
        wrong = maker.post(address(old, "rerun/"), {"ignore": "1,2,3"})
        assert wrong.status_code == 400 and "is a list of at most 50 regions" in words(wrong)
        answer = maker.post(address(old, "change/"), {"ignore": "nowhere"})
        assert answer.status_code == 400 and "is a list of at most 50 regions" in words(answer)

    def test_a_warning_shows_the_outlines_it_means(self, maker, job):
        flags = as_json([Flag.doubtful("Look at these.", "They are few", ids=(3, 7)), Flag("A note.")])
        first, _, details = words(maker.get(address(job(summary={**SUMMARY, **flags})))).partition('id="details"')
        button = '<button [^>]*data-lights="" data-ids="3,7">'
        assert re.search(f"<b>Look at the picture:</b> They are few</span>{button}", first) and "A note." not in first
        assert re.search(f"Look at these. {button}", details) and "<li>A note." in details


def of_classes(job, task, numbers, **more):
    """A result of classes with these numbers: by name the value, both ends of its interval and its unit."""
    quantities = {name: dict(zip(("value", "low", "high", "unit"), of, strict=True)) for name, of in numbers.items()}
    fields = {"task": task, "order": list(quantities), "quantities": quantities, "statistics": None, "found": 2}
    return job(summary={**SUMMARY, **fields, **more})


class TestClasses:
    def test_numbers_are_a_table_with_the_colours_of_the_figure(self, maker, job):
        shares = {"ferrite": (0.7134, 0.631, 0.798, ""), "pearlite": (0.0007769, None, None, "")}
        numbers = {f"area_fraction of {name}": share for name, share in shares.items()}
        numbers |= {f"mean_intercept of {name}": (20.0, None, None, "nm") for name in shares}
        page = words(maker.get(address(of_classes(job, "phases", numbers))))
        assert 'fill="#e69f00"/></svg> ferrite' in page and 'fill="#56b4e9"/></svg> pearlite' in page
        assert page.count('<ul class="legend">') == 1
        first, _, deeper = page.partition("data-tabs")
        assert '<ul class="shares">' in first and 'x1="63.1%" x2="79.8%"' in first and "20.0" not in first
        assert page.count('<table class="classes">') == 1 and '<table class="classes">' in deeper
        assert 'aria-label="Distribution"' not in page  # a result of an earlier version has no curves
        for text in (">71.3 <span", "63.1–79.8", ">0.0777 <span", ">20.0 <span"):
            assert text in page
        unscaled = {"nm_per_pixel": None, "source": "none", "detail": ""}
        page = words(maker.get(address(of_classes(job, "phases", numbers, calibration=unscaled))))
        assert 'id="scale-title"' in page and 'href="#new_width"' in page

    def test_a_number_of_one_class_alone_stands_under_its_own_heading(self, maker, job):
        values = {
            "thickness_mean of oxide": (61_000.0, "nm"),
            "area_fraction of other": (0.881, ""),
            "area_fraction of oxide": (0.119, ""),
            "boundary_density of other": (0.00132, "nm⁻¹"),
            "boundary_density of oxide": (0.000772, "nm⁻¹"),
        }
        numbers = {name: (value, None, None, unit) for name, (value, unit) in values.items()}
        result = Result(of_classes(job, "layers", numbers))
        other, oxide = result.classes
        assert [group.name for group in (other, oxide)] == ["other", "oxide"] and other.colour == "#e69f00"
        assert [cell.words for cell in other.cells] == ["88.1 %", "1.32 µm⁻¹"]
        assert [cell.words for cell in oxide.cells] == ["11.9 %", "0.772 µm⁻¹"]
        assert (other.others, [cell.words for cell in oxide.others]) == ([], ["61.0 µm"])
        assert "<h3>Oxide</h3>" in words(maker.get(address(result.job)))

    def test_of_a_layer_three_numbers_and_two_charts_stand_on_the_first_screen(self, maker, job):
        names = ("mean", "sd", "min", "median")
        numbers = {f"thickness_{name} of oxide": (20.0, 19.0, 21.0, "nm") for name in names}
        numbers |= {f"area_fraction of {name}": (0.5, None, None, "") for name in ("other", "oxide")}
        curves = [
            {"title": "Thickness", "across": "Along (nm)", "x": [1, 2, 3], "lines": {"oxide": [19.0, None, 21.0]}},
            {"title": "Per cent", "across": "Thickness (nm)", "x": [18, 20, 22], "lines": {"oxide": [60.0, 40.0]}},
        ]
        page = words(maker.get(address(of_classes(job, "layers", numbers, curves=curves))))
        first = page.partition("data-tabs")[0]
        assert first.count("<dd>") == 3 and "Median thickness" not in first and "Median thickness" in page
        assert first.count('class="first c0"') == 2 and "of-classes" not in first
        assert "Along (nm)</p>" in first and "Thickness (nm)</p>" in first

    def test_curves_of_several_phases_have_the_colours_of_their_phases(self, maker, job):
        shares = {"matrix": 0.6, "rare": 0.1, "laths": 0.3}
        numbers = {f"area_fraction of {name}": (share, None, None, "") for name, share in shares.items()}
        lines = {name: [60, 40] for name in ("matrix", "laths")}
        curves = [{"title": "Lengths", "across": "nm", "x": [0, 1, 2], "lines": lines}]
        page = words(maker.get(address(of_classes(job, "phases", numbers, curves=curves))))
        drawn = page.partition('class="of-classes"')[2]
        assert 'class="first c0"' in drawn and 'class="first c2"' in drawn and 'class="first c1"' not in drawn


class TestWidth:
    def test_emptied_it_measures_in_pixels(self, maker, job, make_micrograph):
        old = job(micrograph=make_micrograph(calibration=ZEISS, visitor=VISITOR))
        maker.post(address(old, "width/"), {"width": ""})
        assert Job.objects.exclude(pk=old.pk).get().get_settings().measurement.calibration == Calibration.absent()

    def test_a_width_that_the_file_contradicts_is_asked_about_first(self, maker, job, make_micrograph):
        in_file = {"source": "metadata", "nm_per_pixel": 5.0}
        old = job(micrograph=make_micrograph(width=1024, height=768, calibration=in_file))
        sent = {"width": "10240", "token": uuid4().hex}
        response = maker.post(address(old, "width/"), sent)
        assert response.status_code == 400 and Job.objects.count() == 1
        assert "5120 nm wide. You typed 10240 nm." in words(response) and 'name="sure" value="10240"' in words(response)
        assert maker.post(address(old, "width/"), {**sent, "sure": "10240"}).status_code == 303

    def test_a_width_of_millimetres_is_asked_about_first(self, maker, job):
        response = maker.post(address(job(), "width/"), {"width": "12 mm"})
        assert response.status_code == 400 and "That is 12 mm, which is rare" in words(response)

    def test_the_same_width_makes_no_new_job(self, maker, job, make_micrograph):
        of_file = job(micrograph=make_micrograph(calibration=ZEISS, visitor=VISITOR))
        typed = job(settings=AnalysisSettings.of(calibration=Calibration.of_width(640, 64)))
        for old, text in ((of_file, "470"), (typed, "640"), (typed, " 640 nm ")):
            assert maker.post(address(old, "width/"), {"width": text})["Location"] == address(old)
        assert Job.objects.count() == 2

    def test_nonsense_is_explained_beside_the_field(self, maker, job):
        response = maker.post(address(job(), "width/"), {"width": "<b>wide</b>"})
        page = words(response)
        assert response.status_code == 400
        assert 'value="&lt;b&gt;wide&lt;/b&gt;"' in page
        assert "not a width" in page
        assert "<b>wide" not in page


class TestResult:
    def test_the_numbers_stand_beside_the_figure(self, maker, job):
        done = job()
        page = words(maker.get(address(done)))
        for text in (
            f'href="/jobs/{done.pk}/files/figure.png"',
            f'src="/jobs/{done.pk}/files/figure-small.webp"',
            f'href="/jobs/{done.pk}/files/particles.csv?download"',
            '<b data-number="n_kept">261</b> <span class="unit" data-things>particles</span>',
            '<span data-number="n_set_aside">34</span> left out',
            "155</span> <span data-length-unit>nm</span></b>",
            '160</span> <span class="unit">nm</span>',
            '73.6</span> <span class="unit">nm</span>',
            '62.5</span> <span class="unit">nm</span>',
            '256</span> <span class="unit">nm</span>',
            "21.9</span> <span>%</span></b>",
            "limit 50 %: probably below",
            "Touches the frame",
            "7.344 nm/px (from the file)",
            "Zeiss tag 34118",
            "Particles, version 1.2",
            "cut off from row 40 (8 rows)",
            "1.8 s",
        ):
            assert text in page, text

    def test_the_model_is_named_with_its_page_while_it_is_installed(self, maker, job, model):
        own_job = job(summary={**SUMMARY, "model": {**SUMMARY["model"], "sha256": model.sha256}})
        assert '<dd><a href="/models/particles/">Particles' in words(maker.get(address(own_job)))
        assert "<dd>Particles, version 1.2</dd>" in words(maker.get(address(job())))

    def test_every_number_has_a_definition_that_needs_no_mouse(self, maker, job):
        page = words(maker.get(address(job())))
        assert page.count('<span class="term" tabindex="0"') >= 8
        assert NUMBERS["fraction_100nm"].definition in page
        assert Reason.FRAME.definition in page

    def test_pixels_know_no_hundred_nanometres(self, maker, job):
        nothing = {"fraction_100nm": None, "fraction_low": None, "fraction_high": None, "nano": None}
        stored = summary(unit="px", **nothing)
        stored["calibration"] = {**ZEISS, "nm_per_pixel": None, "source": "none", "detail": ""}
        page = words(maker.get(address(job(summary=stored))))
        assert "<span data-length-unit>px</span>" in page
        assert "100 nm" not in page.partition('id="more"')[0].partition('id="histogram"')[0]
        assert '<a href="#new_width">scale not known</a>' in page

    def test_no_particles_says_so_and_what_to_try(self, maker, job):
        none = dict.fromkeys(("mean", "median", "sd", "d10", "d50", "d90", "fraction_100nm", "ecd_median"))
        stored = {**summary(n_kept=0, n_set_aside=0, set_aside={}, **none), "found": 0}
        page = words(maker.get(address(job(summary=stored))))
        assert page.index(NONE_FOUND.format(things="particles").partition(".")[0]) < page.index('id="rerun"')
        assert 'id="scale-title"' not in page
        assert re.search('<details [^>]*id="rerun">', page) and 'id="figure"' not in page
        assert page.index('id="rerun"') < page.index('id="files-tab"')
        for control in ("data-layer", 'id="histogram"', 'id="table"', 'id="aside"', "Download", 'id="sizes-title"'):
            assert control not in page, control

    def test_all_set_aside_says_so_and_offers_another_try(self, maker, job):
        none = dict.fromkeys(("mean", "median", "sd", "d10", "d50", "d90", "fraction_100nm", "ecd_median"))
        page = words(maker.get(address(job(summary=summary(n_kept=0, **none)))))
        assert "All particles" in page
        assert page.index('id="aside"') < page.index("data-tabs")
        assert page.index('id="rerun"') < page.index('id="table"')
        assert page.count('id="rerun"') == 1
        assert 'id="histogram"' not in page

    @pytest.mark.parametrize(("n", "curves"), [(9, False), (10, True)])
    def test_few_particles_are_numbers_and_no_curves(self, maker, job, n, curves):
        page = words(maker.get(address(job(summary=summary(n_kept=n)))))
        assert ('id="histogram"' in page) is curves
        assert 'id="table"' in page and "data-things>particles</span>" in page

    def test_what_the_filter_changed(self, maker, job):
        other = {"n": 280, "median": 149.77, "fraction_100nm": 0.241}
        filtered = {**summary(without_filter=other), "filter": True}
        page = words(maker.get(address(job(summary=filtered))))
        assert re.search(r"Without the filter: 280 .*150 nm, 24\.1 % ", page)
        same = {**summary(), "filter": True}
        assert "It removed nothing" in words(maker.get(address(job(summary=same))))
        assert "Filter on." not in words(maker.get(address(job())))

    def test_warnings_and_hostile_text_are_text(self, maker, job, make_micrograph):
        stored = {**SUMMARY, **as_json([Flag("It has <3> pages.")])}
        micrograph = make_micrograph(name='"><script>x</script>.tif', metadata={"user": "<img src=x>"}, visitor=VISITOR)
        page = words(maker.get(address(job(summary=stored, micrograph=micrograph))))
        assert "It has &lt;3&gt; pages." in page
        assert "<script>x" not in page
        assert "<img src=x>" not in page


class TestBarReadLater:
    """The page says that the bar is being read, shows what it says when it comes, and offers to read it again."""

    BAR = {"nm_per_pixel": 14.7, "relative_uncertainty": 0.001, "text": "100 nm", "sure": True}

    @pytest.fixture
    def late(self, maker, job):
        """The page's answer to what it asks of a job whose image and summary are as given."""
        row = job()

        def ask(was, micrograph, **changed):
            Micrograph.objects.filter(pk=row.micrograph_id).update(**{"calibration": ZEISS, **micrograph})
            Job.objects.filter(pk=row.pk).update(summary={**SUMMARY, **changed})
            page = maker.get(address(row, f"status/?late={was}"), headers=HTMX) if was else maker.get(address(row))
            return page if page.status_code == 204 else words(page)

        return ask

    def test_it_says_so_until_the_numbers_are_measured_again(self, late):
        reading, read = {"state": "running"}, {"state": "done", "reading": self.BAR}
        page = late("", reading, unread=True)
        assert "The bar in the image is still being read" in page and "?late=pending" in page
        assert late("pending", reading, unread=True).status_code == 204
        page = late("pending", read, unread=True)
        assert "a factor of 2" in page and "being measured again" in page and "?late=measuring" in page
        assert late("measuring", read, unread=True).status_code == 204
        flags = as_json(
            [Flag.doubtful("Do not use these numbers. Check.", "Do not use: scale wrong by 2?", level=DO_NOT_USE)]
        )
        page = late("measuring", read, unread=False, **flags)
        assert "Do not use these numbers. Check." in page and "Load this page again" in page and "hx-get" not in page
        agrees = {"state": "done", "reading": {**self.BAR, "nm_per_pixel": ZEISS["nm_per_pixel"]}}
        assert late("pending", agrees, unread=False).strip() == ""

    def test_one_click_reads_it_again(self, late, maker, client, queue):
        page = late("pending", {"state": "done", "reading": {"note": CUT_OFF}}, unread=False)
        row = Job.objects.get()
        assert CUT_OFF in page and f'action="{address(row, "retry/")}"' in page and "Read the bar again" in page
        assert "Read the bar again" in words(maker.get(address(row)))
        assert "Read the bar again" not in words(Client().get(address(row))), "the result of somebody else"
        answer = maker.get(f"/api/v1/jobs/{row.pk}").json()
        assert answer["scale_check"] == "cut off"
        assert maker.post(address(row, "retry/")).status_code == 303
        assert "The bar in the image is still being read" in words(maker.get(address(row)))
        assert maker.get(f"/api/v1/jobs/{row.pk}").json()["scale_check"] == "pending"


@pytest.mark.django_db
@pytest.mark.parametrize("damage", [{"summary": {}}, {"summary": {"used": 1}}])
def test_a_result_that_cannot_be_read_says_so(maker, make_job, damage):
    job = make_job(state="done", visitor=VISITOR, summary=SUMMARY, files=FILES, attempt=1)
    Job.objects.filter(pk=job.pk).update(**damage)
    answer = maker.get(f"/jobs/{job.pk}/")
    assert answer.status_code == 409 and UNREADABLE in answer.content.decode()
