"""The same analyses for scripts: multipart in, JSON out, HTTP Basic or nobody, never the browser's session."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from . import services
from .core.micrograph.types import Calibration
from .forms import SettingsForm, calibration_for, refuse_tall_bar
from .models import Artifact, Job, Upload
from .services import Refused
from .views.serving import serve_artifact

View = Callable[..., HttpResponse]
NOTHING = "There is nothing here: the address may be wrong, the result deleted, or the account not the right one."
SIGN_IN = "Sign in with HTTP Basic: the user name or the password is missing or wrong."
OWNER_ONLY = "Only whoever made this analysis may do that."


def endpoint(*methods: str) -> Callable[[View], View]:
    """A view that answers in JSON whatever happens, for the account in the Authorization header."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                response = error(f"This address takes {' or '.join(methods)} only.", 405)
                response["Allow"] = ", ".join(methods)
                return response
            response = _answer(view, request, args, kwargs)
            response["Cache-Control"] = "private, no-cache"
            return response

        return login_not_required(csrf_exempt(wrapped))

    return decorate


def _answer(view: View, request: HttpRequest, args: Any, kwargs: Any) -> HttpResponse:
    try:
        _sign_in(request)
        return view(request, *args, **kwargs)
    except Refused as refusal:
        response = error(refusal.sentence, refusal.status)
        if refusal.status == 401:
            response["WWW-Authenticate"] = 'Basic realm="DeepSegm API", charset="UTF-8"'
        return response
    except Http404:
        return error(NOTHING, 404)
    except (RequestDataTooBig, TooManyFilesSent):
        return error("The request is larger than this site accepts; send one image at a time.", 413)
    except (SuspiciousOperation, BadRequest, MultiPartParserError):
        return error("The request could not be understood; send multipart/form-data with a field named file.", 400)


def _sign_in(request: HttpRequest) -> None:
    """Set request.user from the header alone: cookies count for nothing, so a foreign page can do nothing."""
    request.user, request.visitor = AnonymousUser(), None
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise Refused("Browsers may not call this address from another site.", 403)
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        user = _user(request, encoded) if scheme.lower() == "basic" else None
        if user is None:
            raise Refused(SIGN_IN, 401)
        request.user = user
    elif settings.DEEPSEGM_REQUIRE_LOGIN:
        raise Refused(SIGN_IN, 401)


def _user(request: HttpRequest, encoded: str) -> Any:
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return authenticate(request, username=name, password=password)


@endpoint("POST")
def jobs(request: HttpRequest) -> HttpResponse:
    """Take an image and its settings, start a job."""
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Send the image as multipart/form-data in a field named file.")
    form = valid_settings(request)
    side = request.FILES.getlist("side")
    who = {"user": request.user, "visitor": None, "address": request.address_hash}
    upload = services.receive_upload(file=file, side=side, **who)
    job = _start(request, form, upload)
    response = JsonResponse(described(request, job), status=202)
    response["Location"] = reverse("api-job", args=[job.pk])
    return response


def valid_settings(request: HttpRequest) -> SettingsForm:
    """The settings of a request; Refused with what is wrong with them."""
    form = SettingsForm(request.POST)
    if not form.is_valid():
        raise Refused(" ".join(sentence for errors in form.errors.values() for sentence in errors))
    return form


def token_of(request: HttpRequest) -> str:
    """What makes two requests one."""
    return request.headers.get("Idempotency-Key", "")[:200]


def _start(request: HttpRequest, form: SettingsForm, upload: Upload) -> Job:
    """The job of a fresh upload, which goes again where the settings do not suit it."""
    try:
        recipe = form.recipe(_calibration(request, upload))
        refuse_tall_bar(recipe, upload)
        token = token_of(request)
        return services.create_job(upload=upload, recipe=recipe, user=request.user, visitor=None, token=token)
    except (ValueError, Refused) as problem:
        services.delete_upload(upload=upload)
        if isinstance(problem, Refused):
            raise
        raise Refused(str(problem)) from None


def _calibration(request: HttpRequest, upload: Upload) -> Calibration | None:
    """Scripts get no default width: without one the file's own counts, and without that pixels."""
    text = request.POST.get("width")
    return None if text is None else calibration_for(text, "typed", upload)


@endpoint("GET", "HEAD", "DELETE")
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A job's state and result; DELETE removes it."""
    if request.method == "DELETE":
        services.delete_job(job=_own(request, pk))
        return HttpResponse(status=204)
    return JsonResponse(described(request, _visible(request, pk)))


@endpoint("POST")
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop a job."""
    return JsonResponse(described(request, services.cancel_job(job=_own(request, pk))))


@endpoint("GET", "HEAD")
def artifact(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file that a job made."""
    stored = Artifact.objects.select_related("job__upload").filter(job=_visible(request, pk), name=name).first()
    if stored is None:
        raise Http404
    return serve_artifact(request, stored, download=True)


@endpoint("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
def unknown(request: HttpRequest, rest: str) -> HttpResponse:
    """Every other address under api/."""
    raise Http404


def described(request: HttpRequest, job: Job) -> dict[str, Any]:
    """A job in JSON."""
    address = request.build_absolute_uri
    names = job.artifacts.values_list("name", flat=True) if job.state == Job.State.DONE else []
    return {
        "id": str(job.pk),
        "url": address(reverse("api-job", args=[job.pk])),
        "page": address(reverse("job", args=[job.pk])),
        "state": job.state,
        "stage": job.stage,
        "progress": job.progress,
        "position": job.position(),
        "expected_seconds": job.expected_seconds(),
        "error": job.error or None,
        "image": {"name": job.upload.name, "width": job.upload.width, "height": job.upload.height},
        "recipe": job.recipe,
        "result": job.summary or None,
        "files": {name: address(reverse("api-artifact", args=[job.pk, name])) for name in names},
    }


def error(sentence: str, status: int) -> JsonResponse:
    return JsonResponse({"error": sentence}, status=status)


def _visible(request: HttpRequest, pk: UUID) -> Job:
    job = Job.objects.select_related("upload").filter(pk=pk).first()
    if job is None or not job.is_visible_to(request.user, None):
        raise Http404
    return job


def _own(request: HttpRequest, pk: UUID) -> Job:
    job = _visible(request, pk)
    if not job.is_changeable_by(request.user, None):
        raise Refused(OWNER_ONLY, 403)
    return job
