"""Makes the answers of the API to errors: JSON with one sentence."""

from __future__ import annotations

import logging

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from pydantic import ValidationError

from ...core.validation import sentence
from ...http.errors import BROKEN, NOT_FOUND, TOO_LARGE, error, outside_failure
from ...services.access.links import LinkEnded
from ...services.ground.refusal import Refused
from .auth import ACCOUNT_ONLY, OWNER_ONLY

logger = logging.getLogger(__name__)
NOT_UNDERSTOOD = "The request could not be understood. Send multipart/form-data with a field named file."


def wrong_value(problem: ValidationError) -> Refused:
    """The refusal of a wrong value in an address or its query."""
    return Refused(sentence(problem), 422)


def failed(request: HttpRequest, problem: Exception) -> HttpResponse:
    """The response for an exception of an API view: JSON with one sentence."""
    if isinstance(problem, Refused):
        response = error(problem.sentence, problem.status)
        if problem.status == 401:
            response["WWW-Authenticate"] = 'Basic realm="DeepSegm API", charset="UTF-8"'
        if problem.after:
            response["Retry-After"] = str(problem.after)
        return response
    if isinstance(problem, PermissionDenied):  # raised by `http.access.changeable`
        return error(ACCOUNT_ONLY if request.user.is_authenticated else OWNER_ONLY, 403)
    if isinstance(problem, LinkEnded):
        return error(str(problem), 410)
    if isinstance(problem, Http404):
        return error(NOT_FOUND, 404)
    if isinstance(problem, RequestDataTooBig | TooManyFilesSent):
        return error(TOO_LARGE, 413)
    if isinstance(problem, SuspiciousOperation | BadRequest | MultiPartParserError):
        return error(NOT_UNDERSTOOD, 400)
    trouble = outside_failure(request, problem)
    if trouble is None:
        logger.error("%s %s failed.", request.method, request.path, exc_info=problem)
    return trouble or error(BROKEN, 500)
