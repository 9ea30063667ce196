"""What every request passes: proxies, the content-security policy, NUL bytes, the second factor, the closed site, the
log of the staff, the visitor's cookies."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.core.signing import BadSignature
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.functional import SimpleLazyObject

from .services.access import second_factor
from .services.access.links import LENGTH
from .services.access.site_address import remember_site
from .services.ground import staff_log

SIGN_IN = "Sign in first: reload the page."
LONGEST_ADDRESS = 45
VISITOR_COOKIE = "visitor"
LINKS_COOKIE, MOST_LINKS = "links", 50
VISITOR_SECONDS = 400 * 24 * 3600
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class Around:
    """A middleware. get_response: what it lies around."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response


class TrustedProxies(Around):
    """Believe X-Forwarded-* from DEEPSEGM_TRUSTED_PROXIES only, and find the visitor's own address behind them."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        if is_trusted(meta.get("REMOTE_ADDR", "")):
            meta["REMOTE_ADDR"] = first_untrusted(meta.get("HTTP_X_FORWARDED_FOR", ""), meta["REMOTE_ADDR"])
        else:
            for name in FORWARDED:
                meta.pop(name, None)
        return self.get_response(request)


def is_trusted(address: str) -> bool:
    """Whether an address belongs to one of our proxies (single addresses or networks)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = settings.DEEPSEGM_TRUSTED_PROXIES
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)


def first_untrusted(forwarded: str, nearest: str) -> str:
    """The last hop that is not ours, else the first: everything left of it may be invented by the visitor."""
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not is_trusted(hop):
            return hop
        nearest = hop
    return nearest


class ContentSecurityPolicy(Around):
    """Nothing from other hosts, no inline code, no frames."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class NoNulBytes(Around):
    """No address, header or cookie of ours has NUL bytes in it, and PostgreSQL takes none in a text."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        texts = (value for value in request.META.values() if isinstance(value, str))
        sent = (request.path_info, *request.COOKIES.values(), *texts)
        if "%00" in request.META.get("QUERY_STRING", "") or any("\0" in text for text in sent):
            raise BadRequest("a NUL byte")
        return self.get_response(request)


class SecondFactor(Around):
    """Staff are ordinary accounts on every page until they show the second factor that the site requires."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if second_factor.is_on():
            user = request.user
            request.user = SimpleLazyObject(lambda: second_factor.limited(user, request))
        elif request.path_info.startswith("/account/second-factor/"):
            raise Http404
        return self.get_response(request)


class RequireLogin(LoginRequiredMiddleware):
    """With DEEPSEGM_REQUIRE_LOGIN every view asks for sign-in but those marked `login_not_required`.

    A page's script, which asks for a part of it, is told 401: a sign-in form is no answer to it.
    """

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not settings.DEEPSEGM_REQUIRE_LOGIN:
            return None
        answer = super().process_view(request, view, args, kwargs)
        if answer is not None and request.method not in ("GET", "HEAD"):  # that address answers no other method
            before = urlsplit(request.headers.get("Referer", ""))  # the page that the form was sent from
            page = before.path if before.netloc == request.get_host() and before.path else "/"
            answer = redirect_to_login(page, settings.LOGIN_URL)
        is_script = request.headers.get("HX-Request") == "true" or request.headers.get("Sec-Fetch-Dest") == "empty"
        if answer is None or not is_script:
            return answer
        refused = HttpResponse(SIGN_IN, status=401, content_type="text/plain; charset=utf-8")
        refused["HX-Refresh"] = "true"
        return refused


class StaffLog(Around):
    """Writes down what staff changed by the pages or the API, once it is done."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.staff_action = None
        response = self.get_response(request)
        if request.staff_action and request.method not in ("GET", "HEAD", "OPTIONS") and response.status_code < 400:
            user, row, before = request.staff_action
            action = staff_log.action_of(request.resolver_match.view_name, request.method)
            staff_log.note(user, action, row, before, staff_log.snapshot(row))
        return response


class Visitor(Around):
    """Gives each request `visitor` (the browser's signed number, or None), `address_hash`, and `links` (secrets).

    A view sets `keep_visitor` (see `sender`) or `used_link`, the secret that opened its row: only then a cookie is set.
    An accepted POST of the staff also tells under which name the site is used.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:  # None where there is no number in the cookie, or somebody has changed it
            request.visitor = UUID(request.get_signed_cookie(VISITOR_COOKIE, default="", salt=VISITOR_COOKIE))
        except (BadSignature, ValueError):
            request.visitor = None
        request.address_hash = hash_address(request.META.get("REMOTE_ADDR", ""))
        request.keep_visitor, request.used_link = False, ""
        request.links = read_links(request)
        response, cookies = self.get_response(request), dict[str, str]()
        is_accepted = request.method == "POST" and response.status_code < 400
        if is_accepted and getattr(request.user, "is_staff", False):
            remember_site(f"{request.scheme}://{request.get_host()}")
        if request.used_link and request.used_link == request.GET.get("link") and not request.path.startswith("/api/"):
            cookies[LINKS_COOKIE] = ".".join(request.links[:MOST_LINKS])  # for the pictures and files of its page
        if request.keep_visitor:
            cookies[VISITOR_COOKIE] = str(request.visitor)
        lasting = {"max_age": VISITOR_SECONDS, "httponly": True, "samesite": "Lax"}
        for name, value in cookies.items():
            response.set_signed_cookie(name, value, salt=name, secure=settings.SESSION_COOKIE_SECURE, **lasting)
        return response


def read_links(request: HttpRequest) -> tuple[str, ...]:
    """The secrets of links that this browser opened before, and the one in this address."""
    try:
        links = request.get_signed_cookie(LINKS_COOKIE, default="", salt=LINKS_COOKIE)
    except BadSignature:
        links = ""
    now = request.GET.get("link", "")
    return tuple(dict.fromkeys(secret for secret in (now[:LENGTH], *links.split(".")) if secret))


def sender(request: HttpRequest) -> dict[str, Any]:
    """Who makes something, as the services take it: user, visitor and address. The visitor's number is made now if need
    be; its cookie goes out, or is renewed, with the response."""
    request.visitor = request.visitor or uuid4()
    request.keep_visitor = True
    return {"user": request.user, "visitor": request.visitor, "address": request.address_hash}


def hash_address(address: str) -> str:
    """A keyed hash: enough to count one sender's uploads, useless to find out who it was."""
    network = network_of(address)
    return salted_hmac("segmentation.address", network, algorithm="sha256").hexdigest() if network else ""


def network_of(address: str) -> str:
    """What one sender's addresses have in common: of IPv6 the first 64 bits, as the rest is his to choose."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:LONGEST_ADDRESS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
