"""The API against its own document: whatever is sent, the answer is one that the document names, and never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded
from hypothesis.strategies import one_of, sampled_from

from segmentation.api.urls import document

from ..test_every_address import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES, FORMS = 12, 4  # requests to each address; files take longer
FIXED: dict[str, Any] = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
CALLERS = ("nobody", "token", "reading")


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    """A request that ends leaves the connection to the database open, as with Django's own client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def holds(operation: Any, cast: Cast, sent: Any, checks: list[Any]) -> None:
    before = operation.path.strip("/").split("/")[2:]
    body = operation.definition.raw.get("requestBody", {})
    ids = {"pk": cast.rows.get(before[0]), "job": cast.rows["samples/images"], "image": cast.rows["images"]}

    @given(case=sent, caller=sampled_from(CALLERS))
    @bounded(**FIXED, max_examples=FORMS if "multipart/form-data" in body.get("content", {}) else EXAMPLES)
    def answered(case: Any, caller: str) -> None:
        for name, row in ids.items():  # an id that somebody guessed leads nowhere
            if name in (case.path_parameters or {}) and row is not None:
                case.path_parameters[name] = str(row.pk)
        with transaction.atomic():
            response = case.call(headers=cast.headers.get(caller, {}))
            transaction.set_rollback(True)
        case.validate_response(response, checks=checks)

    answered()


def test_every_answer_is_in_the_document(alice, charlie, ada, make_job, settings):
    import schemathesis  # a second of every run of the tests, were it imported above
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    conform = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    schema = schemathesis.openapi.from_dict(document())
    schema.app = get_wsgi_application()
    cast = Cast(alice, charlie, ada, make_job, settings)
    for operation in (result.ok() for result in schema.get_all_operations()):
        sent = one_of(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)
        holds(operation, cast, sent, [not_a_server_error, *conform])
