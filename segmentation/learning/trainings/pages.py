"""The pages of trainings: the form that starts one, its page, and the forms that change its model."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ...core.network import cards
from ...core.stages.pace import time_words
from ...core.tasks import find
from ...http.access import (
    address_of,
    button_view,
    change,
    deletion_view,
    refusal_page,
    reload_if_gone,
    row_of,
    see_other,
    visible,
)
from ...http.serving import serve_stored
from ...middleware import sender
from ...models import Dataset, Training
from ...services.ground.refusal import Refused
from ...services.results import models_offered
from ...services.results.reruns import newest_by_image, rerun_results, reruns_with, results_to_rerun
from ...views.forms import show_notes, to_uuid
from . import services as trainings
from .words import Rerun, TrainedModel, TrainingView

MOST_LISTED = 50  # results that were, or can be, run again with one model
NO_MODEL = "There is no such model here: choose one from the list of models."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def new(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The form that starts a training on a dataset. A form that is sent twice makes one training."""
    dataset = visible(request, Dataset.objects.filter(pk=pk).first())
    if request.method != "POST":
        return _form(request, dataset)
    ticks = {name: request.POST.get(name) == "on" for name in ("learning_curve", "composed")}
    options = {"title": request.POST.get("title", ""), **ticks}
    base, token = request.POST.get("base", "")[:100], (to_uuid(request.POST.get("token", "")) or uuid4()).hex
    try:
        row = trainings.create_training(
            dataset=dataset,
            base=base,
            options=options,
            user=request.user,
            address=sender(request)["address"],
            token=token,
        )
    except Refused as refusal:
        return _form(request, dataset, refusal.status, problem=refusal.sentence, base=base, options=options)
    return see_other(address_of(row))


@require_safe
@never_cache
def training(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a training, at the same address while it waits, runs and has ended."""
    row = visible(request, row_of(Training, pk))
    may_change = row.is_changeable_by(request.user)
    context = {
        **_live_context(row),
        "may_change": may_change,
        "may_delete": row.is_changeable_by(request.user, action="delete"),
    }
    if row.state == Training.State.DONE:
        context |= _outcome_context(request, row)
    return render(request, "trainings/training.html", context)


@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The progress, for which the page asks every few seconds; at the end the page reloads."""
    row = visible(request, row_of(Training, pk))
    if row.is_finished and request.htmx:
        return HttpResponseClientRefresh()
    return render(request, "trainings/_live.html", _live_context(row))


cancel = button_view(Training, trainings.cancel_training)
retry = button_view(Training, trainings.retry_training)


@require_POST
def offer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Offer the model to users; with "overrule" also if it is no better than its base model."""
    overrule = request.POST.get("overrule") == "on"
    return change(
        request, Training, pk, partial(trainings.offer_model, user=request.user, overrule=overrule), "#versions"
    )


withdraw = button_view(Training, trainings.withdraw_model, "#versions")


@require_POST
def share(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Let every account use the model, or its owner alone."""
    shared = request.POST.get("shared") == "on"
    return change(request, Training, pk, partial(trainings.share_model, user=request.user, shared=shared), "#versions")


@deletion_view(Training, "Delete this training?", trainings.delete_training, "models")
def delete(request: HttpRequest, row: Training) -> str:
    """The sentence that asks before a training is deleted."""
    model = " Its model will be deleted, too. Results of this model stay." if row.model_name else ""
    return f"“{TrainingView(row).title}” and its files will be deleted.{model}"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def again(request: HttpRequest) -> HttpResponse:
    """The results that were run again with a model, with the main number before and after, and those that can still be
    run again. POST runs the ticked ones."""
    name = request.POST.get("model", request.GET.get("model", ""))[:100]
    try:
        models_offered.check_model(name, request.user)
    except Refused:
        return refusal_page(request, Refused(NO_MODEL, 404), reverse("results"))
    runnable = results_to_rerun(name, request.user, request.visitor)
    if request.method == "POST":
        ids = [pk for pk in map(to_uuid, request.POST.getlist("job")) if pk]
        request.back = f"{reverse('results-again')}?model={name}"
        return start_again(request, name, list(runnable.filter(pk__in=ids)))
    reruns = list(reruns_with(name, request.user, request.visitor)[:MOST_LISTED])
    context = {
        "card": cards.cards_for_name(name)[0],
        "model": name,
        "reruns": [Rerun.of(rerun) for rerun in reruns],
        "left": newest_by_image(runnable[: 4 * MOST_LISTED])[:MOST_LISTED],
        "active": any(not rerun.is_finished for rerun in reruns),
        "row": models_offered.trainings_by_model([name]).get(name),
    }
    return render(request, "trainings/again.html", context)


def start_again(request: HttpRequest, model: str, jobs: list[Any]) -> HttpResponse:
    """Run results again with a model, then show the differences; also used by My results."""
    show_notes(request, rerun_results(model=model, jobs=jobs, **sender(request)).notes, "results were left out.")
    return see_other(f"{reverse('results-again')}?model={model}")


@require_POST
def default(request: HttpRequest) -> HttpResponse:
    """Make a model the default of the account or of the site; or, by do=back, make the default before it the default
    again. Then return to the page."""
    fields, site = request.POST, request.POST.get("site") == "on"
    request.back = reverse("model", args=[fields.get("model", "")]) if fields.get("model") else reverse("models")
    if fields.get("do") == "back":
        name = models_offered.restore_default(task=fields.get("task", ""), user=request.user, site=site)
        words = "The choice is automatic again." if not name else f"The default is {name} again."
    else:
        row = models_offered.set_default(name=fields.get("model", ""), user=request.user, site=site)
        words = f"{row.model_name} is now the default{' of the site' if site else ' of your account'}."
    messages.success(request, words)
    training = models_offered.trainings_by_model([fields.get("model", "")]).get(fields.get("model", ""))
    if fields.get("from") == "training" and training is not None:
        return see_other(f"{address_of(training)}#versions")
    return see_other(request.back)


def _form(
    request: HttpRequest,
    dataset: Dataset,
    status: int = 200,
    *,
    problem: str = "",
    base: str = "",
    options: dict[str, Any] | None = None,
) -> HttpResponse:
    """The form that starts a training. problem: why the one that was sent was refused."""
    bases, obstacle = trainings.bases_for(dataset, request.user), trainings.training_obstacle(dataset, request.user)
    count, base_name = dataset.images.count(), base or trainings.usual_base(dataset, bases, request.user)
    context = {
        "dataset": dataset,
        "bases": bases,
        "base": base_name,
        "base_title": next((card.title for card in bases if card.name == base_name), ""),
        "options": options or {},
        "problem": problem or obstacle,
        "startable": not obstacle and bool(bases),
        "images": count,
        "objects": trainings.count_outlines(dataset),
        "time": time_words(seconds := trainings.expected_seconds(dataset)),
        "longer": time_words(max(seconds, trainings.expected_seconds(dataset, curve=True))),
        "composing": find(dataset.task).composable,
        "composing_obstacle": trainings.composing_obstacle(dataset),
        "composing_time": time_words(trainings.expected_seconds(dataset, composed=True)),
        "composed_pictures": dataset.summary.get("composed", {}).get("pictures", []),
        "notes": trainings.size_notes(dataset) if count else [],
        "token": uuid4().hex,
    }
    return render(request, "trainings/new.html", context, status=status)


def _live_context(row: Training) -> dict[str, Any]:
    """Context of the part of the page that is requested every few seconds."""
    return {"training": row, "view": TrainingView(row), "active": not row.is_finished}


def _outcome_context(request: HttpRequest, row: Training) -> dict[str, Any]:
    """Context of the page of a finished training: its model, all versions of the dataset's model, and results of the
    model."""
    versions = [version for version in trainings.versions_of_dataset(row) if version.is_visible_to(request.user)]
    installed, user = {card.name: card for card in cards.available()}, request.user
    card = installed.get(row.model_name)
    task = card.task if card else row.dataset.task if row.dataset else ""
    usable = bool(card) and models_offered.is_usable(row.model_name, user)
    return {
        "versions": [
            TrainedModel(installed[version.model_name], version)
            for version in versions
            if version.model_name in installed
        ],
        "default": models_offered.chosen_default(task, user),
        "own_default": models_offered.own_default(task, user),
        "usable": usable,
        "task": task,
        "may_share": row.staff_may(user, "change"),
        "may_set_for_all": models_offered.may_set_for_all(user),
        "runnable": len(newest_by_image(results_to_rerun(row.model_name, user)[: 4 * MOST_LISTED])) if usable else 0,
        "reruns": [Rerun.of(rerun) for rerun in reruns_with(row.model_name, user)[:5]] if card else [],
    }


@require_safe
def file(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of a training."""
    artifact = get_object_or_404(visible(request, row_of(Training, pk)).artifacts, name=name)
    return serve_stored(request, artifact, download="download" in request.GET)
