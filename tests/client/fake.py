"""A site that answers as the API's contract says, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from deepsegm_client import AsyncClient, Client

PREFIX = "/api/v1"


def json_answer(status: int, content: Any, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json=content, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


class Site:
    """asked: the requests so far, as "GET /jobs". answers: what it says to one of them, one answer after the other,
    before its usual one; an error of httpx is raised."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, list[Any]] = {}

    def client(self, **how: Any) -> Client:
        return Client("http://site.example/", transport=httpx.MockTransport(self.handle), **how)

    def async_client(self, **how: Any) -> AsyncClient:
        return AsyncClient("http://site.example/", transport=httpx.MockTransport(self.handle), **how)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(request.read())
        endpoint = f"{request.method} {request.url.path.removeprefix(PREFIX)}"
        self.asked.append(endpoint)
        if self.answers.get(endpoint):
            answer = self.answers[endpoint].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self.usual(request, endpoint)

    def usual(self, request: httpx.Request, endpoint: str) -> httpx.Response:
        dataset = {"id": "7", "name": "TiO2", "images": [], "state": "done", "progress": 1.0}
        training = {"id": "8", "state": "done", "progress": 1.0, "files": {"card.json": ""}, "model": "tio2-1"}
        answers: dict[str, Callable[[], httpx.Response]] = {
            "POST /datasets": lambda: json_answer(201, dataset),
            "GET /datasets/7": lambda: json_answer(200, dataset),
            "POST /datasets/7/images": lambda: json_answer(202, {**dataset, "state": "queued"}),
            "GET /datasets/7/export.zip": lambda: httpx.Response(200, content=b"PK"),
            "POST /trainings": lambda: json_answer(202, {**training, "state": "queued"}),
            "GET /trainings/8": lambda: json_answer(200, training),
            "POST /trainings/8/offer": lambda: json_answer(200, training),
            "PUT /models/default": lambda: json_answer(200, {}),
        }
        if endpoint in answers:
            return answers[endpoint]()
        return json_answer(404, {"error": f"There is nothing at {endpoint}."})

    def sent(self, number: int = -1) -> Any:
        return json.loads(self.bodies[number])
