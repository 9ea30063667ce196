"""The same analyses for scripts: multipart in, JSON out, HTTP Basic or nobody, never the browser's session."""

from __future__ import annotations

import base64
import binascii
import logging
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
from .accounts import Crowded
from .core.micrograph import parse_width
from .forms import SettingsForm
from .models import Artifact, Job
from .services import Refused
from .services.callers import SHORTEST_SECRET, new_secret, visitor_of
from .views.errors import BROKEN, LOCKED_OUT, NOTHING, TOO_LARGE, error, in_trouble
from .views.serving import serve_artifact

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponse]
SIGN_IN = "Sign in with HTTP Basic: the user name or the password is missing or wrong."
OWNER_ONLY = (
    "Only whoever made this may do that: send the account that made it, or the secret that came with the answer as"
    " 'Authorization: Bearer SECRET'."
)
READING = "reading the image"


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
        return error(TOO_LARGE, 413)
    except (SuspiciousOperation, BadRequest, MultiPartParserError):
        return error("The request could not be understood; send multipart/form-data with a field named file.", 400)
    except Exception as problem:
        return in_trouble(request, problem) or _failed(request)


def _failed(request: HttpRequest) -> JsonResponse:
    logger.exception("%s %s failed.", request.method, request.path)
    return error(BROKEN, 500)


def _sign_in(request: HttpRequest) -> None:
    """Set request.user and request.visitor from the header alone.

    Cookies count for nothing, so a foreign page can do nothing. A script without an account may have a secret, by which
    it is known as a browser is by its cookie.
    """
    request.user, request.visitor, request.secret = AnonymousUser(), None, ""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise Refused("Browsers may not call this address from another site.", 403)
    scheme, _, said = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and len(said.strip()) >= SHORTEST_SECRET:
        request.secret = said.strip()
        request.visitor = visitor_of(request.secret)
    elif scheme:
        user = _user(request, said) if scheme.lower() == "basic" else None
        if user is None:
            raise Refused(SIGN_IN, 401)
        request.user = user
    if settings.DEEPSEGM_REQUIRE_LOGIN and not request.user.is_authenticated:
        raise Refused(SIGN_IN, 401)


def _user(request: HttpRequest, encoded: str) -> Any:
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    try:
        user = authenticate(request, username=name, password=password)
    except Crowded as crowded:
        raise Refused(crowded.message, 429) from None
    if user is None and getattr(request, "axes_locked_out", False):
        raise Refused(LOCKED_OUT, 429)
    return user


def identify(request: HttpRequest) -> dict[str, Any]:
    """Who makes something: an account, or a script by its secret, which it is given now if it has none."""
    if not request.user.is_authenticated and not request.secret:
        request.secret = new_secret()
        request.visitor = visitor_of(request.secret)
    return {"user": request.user, "visitor": request.visitor, "address": request.address_hash}


def secret_of(request: HttpRequest) -> dict[str, str]:
    """What an answer to a request that made something says, beside the thing itself, to a script without an account."""
    if request.user.is_authenticated:
        return {}
    return {"secret": request.secret}


@endpoint("POST")
def jobs(request: HttpRequest) -> HttpResponse:
    """Take an image and its settings, start a job."""
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Send the image as multipart/form-data in a field named file.")
    form = valid_settings(request)
    asked = _asked(request)
    who, key = identify(request), key_of(request)
    micrograph = services.receive_upload(file=file, side=request.FILES.getlist("side"), **who)
    try:
        job = services.create_job(micrograph=micrograph, recipe=form.settings(), asked=asked, key=key, **who)
    except (ValueError, Refused) as problem:
        services.delete_upload(micrograph=micrograph)
        raise problem if isinstance(problem, Refused) else Refused(str(problem)) from None
    response = JsonResponse({**described(request, job), **secret_of(request)}, status=202)
    response["Location"] = reverse("api-job", args=[job.pk])
    return response


def valid_settings(request: HttpRequest) -> SettingsForm:
    """The settings of a request; Refused with what is wrong with them."""
    form = SettingsForm(request.POST)
    if not form.is_valid():
        raise Refused(" ".join(sentence for errors in form.errors.values() for sentence in errors))
    return form


def key_of(request: HttpRequest) -> str:
    """What makes two requests of one caller one."""
    return request.headers.get("Idempotency-Key", "")[:200]


def _asked(request: HttpRequest) -> dict[str, Any]:
    """What was said of the scale. Scripts get no default width: without one the file's own counts, else pixels."""
    text = request.POST.get("width")
    try:
        parse_width(text or "")
    except ValueError as problem:
        raise Refused(str(problem)) from None
    return {"width": text, "origin": "typed"}


@endpoint("GET", "HEAD", "DELETE")
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A job's state and result; DELETE removes it."""
    if request.method == "DELETE":
        services.delete_job(job=_own(request, pk, "delete"))
        return HttpResponse(status=204)
    return JsonResponse(described(request, _visible(request, pk)))


@endpoint("POST")
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop a job."""
    return JsonResponse(described(request, services.cancel_job(job=_own(request, pk))))


@endpoint("GET", "HEAD")
def artifact(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file that a job made."""
    stored = Artifact.objects.select_related("job__micrograph").filter(job=_visible(request, pk), name=name).first()
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
        "stage": job.stage or ("" if job.ready or job.is_finished else READING),
        "progress": job.progress,
        "position": job.position(),
        "expected_seconds": job.expected_seconds(),
        "error": job.error or None,
        "image": {
            "name": job.micrograph.name,
            "width": job.micrograph.width or None,
            "height": job.micrograph.height or None,
        },
        "recipe": job.settings,
        "result": job.summary if job.state == Job.State.DONE else None,
        "files": {name: address(reverse("api-artifact", args=[job.pk, name])) for name in names},
    }


def _visible(request: HttpRequest, pk: UUID) -> Job:
    job = Job.objects.select_related("micrograph").filter(pk=pk).first()
    if job is None or not job.is_visible_to(request.user, request.visitor):
        raise Http404
    return job


def _own(request: HttpRequest, pk: UUID, action: str = "change") -> Job:
    job = _visible(request, pk)
    if not job.is_changeable_by(request.user, request.visitor, action):
        raise Refused(OWNER_ONLY, 403)
    return job
