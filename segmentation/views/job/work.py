"""The page of an image without numbers: before an image is chosen, while it waits or is analysed, and if that
failed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ...core.micrograph import formats
from ...core.settings import SAMPLE
from ...forms.laboratory import changed_settings, has_quality, laboratory_of
from ...forms.settings import SettingsForm
from ...quality.methods.services import offered_versions
from ...services.results.uploads import EXAMPLES
from ..forms import accept_attribute, token_of


def work_page(request: HttpRequest, form: SettingsForm, code: int = 200, **extra: Any) -> HttpResponse:
    """The page `work.html`, with the settings beside the picture. code: status of the answer. extra: further entries
    of the context: the state of the job, and those of a form that was refused."""
    stored = laboratory_of(request.user, request.session)
    if "job" not in extra and not form.is_bound:  # what is seen is what is sent
        form.initial |= {entry.name: stored[entry.name] for entry in form.groups[SAMPLE] if entry.name in stored}
    context = {
        "form": form,
        "token": token_of(request),
        "accept": accept_attribute(),
        "formats": formats.names_text(),
        "laboratory": changed_settings(SettingsForm(stored, models=form.models)),
        "examples": [task for task, _ in form.models if task.name in EXAMPLES],
        "on_this_server": not settings.DEEPSEGM_BUCKET,
        "max_upload_mb": settings.DEEPSEGM_MAX_UPLOAD_MB,
        "methods": offered_versions(request.user) if "job" not in extra and has_quality(request) else [],
        "more_open": form.is_bound and not form.is_valid(),
        **extra,
    }
    return render(request, "work.html", context, status=code)
