"""The page of the settings that a laboratory sets once, such as operator and repeatability; new jobs take them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ..core.names import clean_text
from ..core.settings import LABORATORY
from ..forms.laboratory import QUALITY, changed_settings, has_quality, laboratory_of, settings_of_page
from ..forms.settings import SettingsForm
from ..http.access import see_other
from ..models import Laboratory
from .forms import LONGEST_TEXT


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def laboratory_page(request: HttpRequest) -> HttpResponse:
    """The page; POST stores the settings with the account, or without an account in the session."""
    stored = laboratory_of(request.user, request.session)
    fields = request.POST if request.method == "POST" else stored
    names = [entry.name for entry in settings_of_page(SettingsForm(stored, user=request.user))]
    form = SettingsForm(
        {name: clean_text(fields[name], LONGEST_TEXT) for name in names if name in fields}, user=request.user
    )
    if request.method == "POST" and form.is_valid():
        texts = {entry.name: entry.value for entry in changed_settings(form)}
        texts[QUALITY] = "on" if QUALITY in request.POST else "off"
        if request.user.is_authenticated:
            Laboratory.objects.update_or_create(owner=request.user, defaults={"texts": texts})
        else:
            request.session[LABORATORY] = texts
        messages.success(request, "Saved. New analyses take these values.")
        return see_other(reverse("laboratory"))
    context = {"form": form, "settings": settings_of_page(form), "quality": has_quality(request)}
    return render(request, "laboratory.html", context, status=400 if request.method == "POST" else 200)
