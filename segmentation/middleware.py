"""The middleware that every request passes: trusted proxies, NUL bytes, content-security policy,
second factor, sign-in to a closed site, log of the staff, cookies of visitors."""

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
from .services.access.links import SECRET_LENGTH
from .services.access.site_address import remember_site
from .services.ground import staff_log

SIGN_IN = "Sign in first: reload the page."
LONGEST_ADDRESS = 45  # characters, of IPv6
VISITOR_COOKIE = "visitor"
LINKS_COOKIE, MOST_LINKS = "links", 50
COOKIE_SECONDS = 400 * 24 * 3600  # the longest that browsers allow
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


class Middleware:
    """The base of our middleware. get_response: the next middleware, or the view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response


class TrustedProxies(Middleware):
    """Uses the headers X-Forwarded-* only if they come from DEEPSEGM_TRUSTED_PROXIES. REMOTE_ADDR
    becomes the address of the visitor behind these proxies."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        if is_trusted(meta.get("REMOTE_ADDR", "")):
            meta["REMOTE_ADDR"] = first_untrusted(meta.get("HTTP_X_FORWARDED_FOR", ""), meta["REMOTE_ADDR"])
        else:
            for name in FORWARDED:
                meta.pop(name, None)
        return self.get_response(request)


def is_trusted(address: str) -> bool:
    """Whether an address belongs to DEEPSEGM_TRUSTED_PROXIES."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = settings.DEEPSEGM_TRUSTED_PROXIES
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)


def first_untrusted(forwarded: str, nearest: str) -> str:
    """The address of the visitor: the last one in X-Forwarded-For that is no trusted proxy, because
    a visitor can invent all addresses before it. If all are trusted, the first. nearest: the
    address that the request came from."""
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not is_trusted(hop):
            return hop
        nearest = hop
    return nearest


class ContentSecurityPolicy(Middleware):
    """Tells browsers to load nothing from other hosts, to run no inline code, and to show our pages
    in no frame."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class NoNulBytes(Middleware):
    """Refuses requests with NUL bytes in address, headers or cookies, because PostgreSQL cannot
    store them. No request of our pages has one."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        texts = (value for value in request.META.values() if isinstance(value, str))
        parts = (request.path_info, *request.COOKIES.values(), *texts)
        if "%00" in request.META.get("QUERY_STRING", "") or any("\0" in text for text in parts):
            raise BadRequest("a NUL byte")
        return self.get_response(request)


class SecondFactor(Middleware):
    """Treats staff as ordinary accounts on every page until they have shown the second factor, if
    the site asks for one."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if second_factor.is_on():
            user = request.user
            request.user = SimpleLazyObject(lambda: second_factor.limit_staff(user, request))
        elif request.path_info.startswith("/account/second-factor/"):
            raise Http404
        return self.get_response(request)


class RequireLogin(LoginRequiredMiddleware):
    """Asks for sign-in before every view, if DEEPSEGM_REQUIRE_LOGIN is set, except views marked
    `login_not_required`.

    Scripts of a page, which cannot show a sign-in form, get the status 401.
    """

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not settings.DEEPSEGM_REQUIRE_LOGIN:
            return None
        answer = super().process_view(request, view, args, kwargs)
        if answer is not None and request.method not in ("GET", "HEAD"):
            # After sign-in the browser cannot GET this address, so it goes to the page that the
            # form was sent from.
            form_page = urlsplit(request.headers.get("Referer", ""))
            page = form_page.path if form_page.netloc == request.get_host() and form_page.path else "/"
            answer = redirect_to_login(page, settings.LOGIN_URL)
        is_script = request.headers.get("HX-Request") == "true" or request.headers.get("Sec-Fetch-Dest") == "empty"
        if answer is None or not is_script:
            return answer
        refused = HttpResponse(SIGN_IN, status=401, content_type="text/plain; charset=utf-8")
        refused["HX-Refresh"] = "true"
        return refused


class StaffLog(Middleware):
    """Writes a line into the log of the staff after a member of the staff has changed a row by a
    page or the API. The view sets `request.staff_action`: user, row, and the row's state before."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.staff_action = None
        response = self.get_response(request)
        if request.staff_action and request.method not in ("GET", "HEAD", "OPTIONS") and response.status_code < 400:
            user, row, before = request.staff_action
            action = staff_log.action_of(request.resolver_match.view_name, request.method)
            staff_log.note(user, action, row, before, staff_log.snapshot(row))
        return response


class Visitor(Middleware):
    """Gives each request `visitor` (the number in the browser's signed cookie, or None),
    `address_hash`, and `links` (the secrets of links that this browser has opened).

    Cookies are set only if a view sets `keep_visitor` (see `sender`), or `used_link`, the secret
    that opened its row. After an accepted POST of the staff the address of the site is stored
    (`remember_site`).
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:  # no cookie, or a changed one, gives None
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
            cookies[LINKS_COOKIE] = ".".join(request.links[:MOST_LINKS])  # the page's pictures and files need it
        if request.keep_visitor:
            cookies[VISITOR_COOKIE] = str(request.visitor)
        options = {"max_age": COOKIE_SECONDS, "httponly": True, "samesite": "Lax"}
        for name, value in cookies.items():
            response.set_signed_cookie(name, value, salt=name, secure=settings.SESSION_COOKIE_SECURE, **options)
        return response


def read_links(request: HttpRequest) -> tuple[str, ...]:
    """The secrets of links: first the secret in this address, then those that this browser opened
    before."""
    try:
        links = request.get_signed_cookie(LINKS_COOKIE, default="", salt=LINKS_COOKIE)
    except BadSignature:
        links = ""
    from_address = request.GET.get("link", "")
    return tuple(dict.fromkeys(secret for secret in (from_address[:SECRET_LENGTH], *links.split(".")) if secret))


def sender(request: HttpRequest) -> dict[str, Any]:
    """Who sends this request, as arguments for the services: user, visitor and address. A visitor
    without a number gets one now; the response sets or renews the cookie."""
    request.visitor = request.visitor or uuid4()
    request.keep_visitor = True
    return {"user": request.user, "visitor": request.visitor, "address": request.address_hash}


def hash_address(address: str) -> str:
    """A keyed hash of an address (or of its network): enough to count the uploads of a sender, but
    it does not reveal the address. "" without an address."""
    network = network_of(address)
    return salted_hmac("segmentation.address", network, algorithm="sha256").hexdigest() if network else ""


def network_of(address: str) -> str:
    """The network of a sender's address. For IPv6 it is the first 64 bits, because a sender can
    choose the others; for IPv4 the address itself. Any other text is cut to LONGEST_ADDRESS."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:LONGEST_ADDRESS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
