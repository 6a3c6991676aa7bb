"""`/metrics` and `/healthz`: who sees them and what they say; and the ids of requests."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.edge.request_id import RequestIdMiddleware
from efir.ops.monitoring import collectors
from efir.room.presence import Pending, RecorderRow
from efir.room.presence_store import write
from efir.server import readiness
from efir.server.worker import Worker
from efir.telegram.models import Kind, TelegramChat
from efir.telegram.outbox.enqueue import NewMessage, enqueue
from efir.webinars import core
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db

TOKEN = "a-token-for-tests-only"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def scraped(**headers: str) -> dict[tuple[str, str], float]:
    """Return {(name, label): value} as Prometheus reads it from this machine."""
    answer = Client().get("/metrics", headers={"Host": "localhost", **headers})
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (s.name, next(iter(s.labels.values()), "")): s.value for family in families for s in family.samples
    }


@pytest.mark.parametrize(
    ("token", "address", "headers", "status"),
    [
        ("", "127.0.0.1", {"Host": "localhost"}, 200),
        ("", "::1", {"Host": "[::1]:8000"}, 200),
        ("", "203.0.113.5", {"Host": "localhost"}, 404),
        ("", "127.0.0.1", {"Host": "webinars.example.org"}, 404),
        ("", "127.0.0.1", {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}, 404),
        ("", "127.0.0.1", {"Host": "localhost", "Via": "1.1 caddy"}, 404),
        ("", "203.0.113.5", BEARER, 404),
        (TOKEN, "203.0.113.5", BEARER, 200),
        (TOKEN, "203.0.113.5", {**BEARER, "X-Forwarded-For": "203.0.113.9"}, 200),
        (TOKEN, "127.0.0.1", {"Host": "localhost"}, 404),
        (TOKEN, "127.0.0.1", {"Authorization": f"Bearer {TOKEN}x"}, 404),
        (TOKEN, "127.0.0.1", {"Authorization": "Bearer "}, 404),
    ],
)
def test_metrics_are_for_this_machine_or_with_the_token(settings, token, address, headers, status):
    settings.EFIR = replace(settings.EFIR, metrics_token=token)
    settings.ALLOWED_HOSTS = ["*"]
    assert Client(REMOTE_ADDR=address).get("/metrics", headers=headers).status_code == status


def test_metrics_of_queue_verdicts_and_worker(make_webinar, make_person, clock):
    Worker().write_heartbeat()
    webinar, lead, partner = make_webinar("live"), make_person(), make_person(Role.PARTNER)
    TelegramChat.objects.create(person=partner, chat_id=1)
    enqueue(
        [
            NewMessage(
                webinar_id=webinar.pk, lead_id=lead.pk, person_id=p.pk, kind=kind, cause_at=clock.moment
            )
            for p, kind in ((partner, Kind.PARTNER_ATTENDANCE), (lead, Kind.CANDIDATE_FOLLOWUP))
        ]
    )
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    clock.move(40)
    now = scraped()
    assert {state: now["efir_messages", state] for state in ("queued", "waiting_link", "sending")} == {
        "queued": 1,
        "waiting_link": 1,
        "sending": 0,
    }
    for name in (
        "efir_oldest_due_seconds",
        "efir_classification_lag_seconds",
        "efir_worker_heartbeat_age_seconds",
    ):
        assert now[name, ""] == 40, name
    assert {part: now["efir_component_up", part] for part in ("database", "worker", "telegram")} == {
        "database": 1,
        "worker": 0,
        "telegram": 1,
    }
    assert now["process_open_fds", ""] > 0
    # The names of 0.1 are there until 0.3.
    assert now["efir_unjudged_seconds", ""] == 40
    assert [now["efir_well", part] for part in ("database", "worker", "telegram")] == [1, 0, 1]
    assert {"efir_verdicts_seconds_count", "efir_verdicts_seconds_bucket"} <= {name for name, _ in now}


def test_classification_duration_counts_from_the_stop(make_webinar, make_person, clock):
    before = scraped()["efir_classification_duration_seconds_sum", ""]
    webinar = make_webinar("live")
    core.book_seat(webinar.pk, make_person())
    recorder = RecorderRow(uuid4(), clock.moment, clock.moment)
    write(Pending((recorder,), ()))
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    clock.move(100)
    while classifier.classify_due():
        pass
    assert scraped()["efir_classification_duration_seconds_sum", ""] - before == 100


def test_requests_are_counted_by_pattern_not_by_address():
    before = scraped()
    Client().get("/account/reset/some-secret/")
    Client().get("/nowhere/some-secret")
    after = Client().get("/metrics", headers={"Host": "localhost"}).content.decode()
    assert "some-secret" not in after
    counted = 'efir_http_requests_total{route="unknown",status="4xx"}'
    assert counted in after
    assert before


def test_queries_do_not_grow_with_people(make_webinar, make_person):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            scraped()
        return len(captured)

    few = queries()
    webinar = make_webinar("live")
    for _ in range(20):
        core.book_seat(webinar.pk, make_person())
    assert queries() == few <= 10


def test_metrics_without_database_show_the_process(monkeypatch):
    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(collectors, "component_states", lambda: {"database": "unreachable"})
    monkeypatch.setattr(collectors, "_queue", away)
    now = scraped()
    assert now["efir_component_up", "database"] == 0
    assert ("efir_messages", "queued") not in now
    assert now["process_open_fds", ""] > 0


def test_health_fails_while_draining(monkeypatch):
    monkeypatch.setattr(readiness, "_draining", True)
    for path in ("/healthz", "/healthz/web"):
        answer = Client().get(path)
        assert (answer.status_code, answer.json()) == (503, {"status": "draining", "failing": ["draining"]})


def test_web_health_ignores_the_worker():
    assert Client().get("/healthz").status_code == 503
    assert Client().get("/healthz/web").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "given", "taken"),
    [
        (1, b"0123abcd-from.the_proxy", True),
        (0, b"0123abcd-from.the_proxy", False),
        (1, b"short", False),
        (1, b"x" * 65, False),
        (1, b"forged\nline-of-a-log", False),
    ],
)
def test_request_id_is_taken_from_a_trusted_proxy_only(settings, proxies, given, taken):
    import asyncio

    import structlog

    settings.EFIR = replace(settings.EFIR, trusted_proxies=proxies)
    seen, sent = [], []

    async def inner(scope, receive, send):
        seen.append(structlog.contextvars.get_contextvars()["request_id"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})

    async def send(message):
        sent.append(message)

    asyncio.run(
        RequestIdMiddleware(inner)({"type": "http", "headers": [(b"x-request-id", given)]}, None, send)
    )
    (request_id,) = seen
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", request_id.encode())]
    assert (request_id.encode() == given) is taken
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", request_id)
