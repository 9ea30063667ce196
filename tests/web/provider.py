"""A small OpenID provider on this machine: discovery, keys, code flow with PKCE. Tests make it lie, too."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "deepsegm", "the client's secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """person: whom it says signs in. id_token, userinfo: what else it says there alone. scope: what it was asked for.
    lies: what it does wrong."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "42", "preferred_username": "dora", "email": "dora@example.org"}
        self.person["email_verified"] = True
        self.id_token: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.lies: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": self}))
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def authorise(self, address: str) -> str:
        """What a person's browser does there: the address to which it is sent back."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert query["client_id"] == CLIENT and query["response_type"] == "code"
        self.scope = set(query["scope"].split())
        assert query["code_challenge_method"] == "S256" and "openid" in self.scope
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        grant = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if grant is None or proof != grant["code_challenge"] or form.get("client_secret") != SECRET:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, **self.person, **self.id_token}
        key = self.lies.get("key", KEY)
        signed = jwt.encode(claims, key, algorithm=self.lies.get("algorithm", "RS256"), headers={"kid": "1"})
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": signed, **self.lies.get("token", {})}

    def keys(self) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "1", "alg": "RS256", "use": "sig"}]}

    def configuration(self) -> dict[str, Any]:
        places = ("authorization", "token", "userinfo")
        endpoints: dict[str, Any] = {f"{endpoint}_endpoint": f"{self.url}/{endpoint}" for endpoint in places}
        methods = ["client_secret_post"]
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": methods,
        } | endpoints


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/authorization":  # of a real browser
            self.send_response(302)
            self.send_header("Location", self.provider.authorise(self.path))
            self.end_headers()
            return
        answers = {
            "/.well-known/openid-configuration": self.provider.configuration,
            "/jwks": self.provider.keys,
            "/userinfo": lambda: self.provider.person | self.provider.userinfo | self.provider.lies.get("userinfo", {}),
        }
        self._send(200, answers[path]()) if path in answers else self._send(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._send(*self.provider.token({name: values[0] for name, values in parse_qs(body).items()}))

    def _send(self, status: int, document: Any) -> None:
        status = self.provider.lies.get("status", status)
        body = self.provider.lies.get("body", json.dumps(document)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        return


def __getattr__(name: str) -> Any:
    """The addresses of a site with a provider: this module as a URL conf."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import include, path

    return [path("accounts/oidc/", include("segmentation.views.openid")), path("", include("deepsegm.urls"))]
