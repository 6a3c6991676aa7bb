"""The API against its own OpenAPI document, by schemathesis, for every role."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.conf import settings as efir
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from efir.accounts.capabilities import Role

pytestmark = pytest.mark.one_database

READ = "/webinars/{webinar_id}/state"


@pytest.fixture
def schema(db):
    """The OpenAPI document with a server behind it that works within the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def cookies_of(person: Any) -> dict[str, str]:
    """Return the session cookie of a person; no cookies for None."""
    if person is None:
        return {}
    client = Client()
    client.force_login(person)
    return {efir.SESSION_COOKIE_NAME: client.cookies[efir.SESSION_COOKIE_NAME].value}


def test_every_operation_is_covered(schema):
    assert [(each.ok().method, each.ok().path) for each in schema.get_all_operations()] == [
        ("get", f"/api{READ}")
    ]


@pytest.mark.parametrize("address", ["/api/nowhere", "/api/webinars/0/state"])
def test_unknown_url_is_404_as_json(db, client, address):
    answer = client.get(address, headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})


@pytest.mark.slow
@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_responses_conform_to_the_schema(schema, make_person, role, mode):
    cookies = cookies_of(make_person(role) if role else None)
    for operation in schema.get_all_operations():
        _try(operation.ok().as_strategy(generation_mode=mode), cookies)


@pytest.mark.parametrize("status", ["draft", "scheduled", "live", "paused", "finished", "archived"])
@pytest.mark.parametrize("role", [None, *Role])
def test_state_conforms_to_the_schema_in_every_status(schema, make_person, make_webinar, role, status):
    webinar = make_webinar(status)
    case = schema[f"/api{READ}"]["GET"].Case(path_parameters={"webinar_id": webinar.pk})
    answer = case.call_and_validate(cookies=cookies_of(make_person(role) if role else None))
    drafts = role in (Role.SPEAKER, Role.ADMIN)
    assert answer.status_code == (401 if role is None else 404 if status == "draft" and not drafts else 200)


def _try(cases: Any, cookies: dict[str, str]) -> None:
    @given(cases)
    @settings(
        max_examples=20,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    def valid(case: Any) -> None:
        case.call_and_validate(cookies=cookies)

    valid()
