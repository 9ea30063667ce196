"""The outermost middleware: it gives each request an id, for the log and the response, and measures
its time for /metrics."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

from .log_filters import request_id
from .middleware import Middleware

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SECONDS = Histogram(
    "deepsegm_request_seconds",
    "Seconds a request.",
    ["view", "method", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class RequestTimes(Middleware):
    """Measures the time of each request. It is the first middleware, so that it sees the response
    as it is sent.

    The id is the X-Request-ID of a proxy, if it has only letters, digits and a few signs; otherwise
    a new one. The response has it in the same header.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        proxy_id, began = request.META.get("HTTP_X_REQUEST_ID", ""), time.monotonic()
        identifier = proxy_id if ACCEPTED_ID.fullmatch(proxy_id) else uuid4().hex
        token = request_id.set(identifier)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response.headers["X-Request-ID"] = identifier
        match = request.resolver_match
        view = match.view_name or "unnamed" if match else "none"
        SECONDS.labels(view, request.method if match else "any", response.status_code).observe(time.monotonic() - began)
        return response
