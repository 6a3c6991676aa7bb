"""Fill an empty database as the first release left it: `python -m tests.support.first_release COUNT`.

There is one finished webinar: half of its COUNT candidates stayed, the others did not come. Everything that an
installation stores about them is there, including sessions in Django's own table. The models of that release write it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import django

CHUNK = 2000
CANDIDATES_OF_A_PARTNER = 100
RELEASE = [
    ("accounts", "0001_initial"),
    ("attendance", "0001_initial"),
    ("axes", "0010_accessattemptexpiration"),
    ("contenttypes", "0002_remove_content_type_name"),
    ("hooks", "0001_initial"),
    ("ops", "0001_initial"),
    ("room", "0001_initial"),
    ("telegram", "0001_initial"),
    ("webinars", "0001_initial"),
]
BEGAN = datetime(2026, 10, 1, 16, tzinfo=UTC)
ENDED = BEGAN + timedelta(hours=1)
CLASSIFIED_AT = ENDED + timedelta(minutes=2)
RULE = "end_gap_within_grace grace_s=90 settle_s=60"
SESSIONS = """
CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text, expire_date {moment})
"""


def fill(count: int) -> None:
    """Migrate an empty database to that release and fill it."""
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    executor.migrate(RELEASE)
    apps = MigrationExecutor(connection).loader.project_state(RELEASE).apps
    with transaction.atomic():
        FirstRelease(apps.get_model, count).write()
        _sessions(count)


class FirstRelease:
    """The rows, model by model. Ids count from one, so that rows can refer to each other."""

    def __init__(self, model: Callable[[str, str], Any], count: int) -> None:
        self._model = model
        self._count = count
        self._partners = max(1, count // CANDIDATES_OF_A_PARTNER)

    def write(self) -> None:
        """Write people first, then what refers to them."""
        self._people()
        self._webinar()
        for app, name, rows in (
            ("webinars", "Seat", lambda _: [{"held_by_lead": True, "booked_at": BEGAN}]),
            ("room", "PresenceInterval", self._interval),
            ("attendance", "Participation", self._participation),
            ("attendance", "Verdict", self._verdict),
            ("hooks", "JournalEntry", self._facts),
            (
                "telegram",
                "TelegramChat",
                lambda n: [{"chat_id": 1_000_000 + self._id(n), "linked_at": BEGAN}],
            ),
            ("telegram", "OutboxMessage", self._messages),
        ):
            self._bulk(app, name, self._with_ids(app, name, rows))

    def _bulk(self, app: str, name: str, rows: Iterator[dict[str, Any]]) -> None:
        model = self._model(app, name)
        while chunk := [model(**row) for row in islice(rows, CHUNK)]:
            model._base_manager.bulk_create(chunk)

    def _with_ids(
        self, app: str, name: str, rows: Callable[[int], list[dict[str, Any]]]
    ) -> Iterator[dict[str, Any]]:
        """Yield each row with its webinar and person, under the model's field names."""
        fields = {field.attname for field in self._model(app, name)._meta.concrete_fields}
        for number in range(self._count):
            whose = {"webinar_id": 1, "person_id": self._id(number), "lead_id": self._id(number)}
            for row in rows(number):
                yield {key: value for key, value in (whose | row).items() if key in fields}

    def _id(self, number: int) -> int:
        return self._partners + number + 1

    def _people(self) -> None:
        group = self._model("auth", "Group").objects.create(name="candidate")
        partners = (
            {"login": f"partner{n}", "name": "Партнёр", "ref_code": f"p{n}"} for n in range(self._partners)
        )
        candidates = (
            {
                "login": f"candidate{n}@example.org",
                "name": f"Кандидат {n}",
                "ref_code": f"c{n}",
                "invited_by_id": n % self._partners + 1,
                "created_at": BEGAN,
            }
            for n in range(self._count)
        )
        self._bulk("accounts", "Person", partners)
        self._bulk("accounts", "Person", candidates)
        members = ({"person_id": self._id(n), "group_id": group.pk} for n in range(self._count))
        self._bulk("accounts", "Membership", members)

    def _webinar(self) -> None:
        self._model("webinars", "Webinar")._base_manager.create(
            title="Эфир",
            status="finished",
            starts_at=BEGAN,
            started_at=BEGAN,
            finished_at=ENDED,
            player_url="https://rutube.ru/x",
            time_zone="Europe/Moscow",  # the default asks a table that the first release did not have
        )
        steps = (("draft", "scheduled"), ("scheduled", "live"), ("live", "finished"))
        for (before, after), at in zip(steps, (BEGAN - timedelta(days=1), BEGAN, ENDED), strict=True):
            self._model("webinars", "LedgerEntry").objects.create(
                webinar_id=1, from_status=before, to_status=after, cta_visible=False, source="web", at=at
            )
        recorder = {"id": UUID(int=1), "started_at": BEGAN, "pulsed_at": ENDED, "closed_at": ENDED}
        self._model("room", "Recorder").objects.create(**recorder)
        self._model("attendance", "Classification").objects.create(webinar_id=1, done_at=CLASSIFIED_AT)

    def _interval(self, number: int) -> list[dict[str, Any]]:
        row = {"recorder_id": UUID(int=1), "began_at": BEGAN, "ended_at": ENDED}
        return [row] if _stayed(number) else []

    def _participation(self, number: int) -> list[dict[str, Any]]:
        row = {"session_id": UUID(int=number), "is_lead": True, "entered_at": BEGAN, "completed_at": ENDED}
        return [row] if _stayed(number) else []

    def _verdict(self, number: int) -> list[dict[str, Any]]:
        stayed = _stayed(number)
        return [
            {
                "attended": stayed,
                "reason": _reason(number),
                "rule": RULE,
                "intervals": [[_iso(BEGAN), _iso(ENDED)]] if stayed else [],
                "present_s": 3600.0 if stayed else 0.0,
                "classified_at": CLASSIFIED_AT,
            }
        ]

    def _facts(self, number: int) -> list[dict[str, Any]]:
        stayed = _stayed(number)
        session = {"session_id": str(UUID(int=number))}
        facts: list[tuple[str, str, datetime, dict[str, Any]]] = [
            (
                "client_webinar_attendance_classified",
                "timestamp",
                CLASSIFIED_AT,
                {"attended": stayed, "reason": _reason(number), "rule": RULE},
            ),
            (
                "post_webinar_route",
                "timestamp",
                CLASSIFIED_AT,
                {"attended": stayed, "route": "attended" if stayed else "not_attended"},
            ),
        ]
        if stayed:
            facts += [
                ("client_webinar_entered", "timestamp", BEGAN, session),
                ("client_webinar_completed", "completed_at", ENDED, session | {"webinar_type": "live"}),
            ]
        whose = {"lead_id": self._id(number), "webinar_id": 1}
        return [
            {
                "event": event,
                "moment": moment,
                "payload": whose | more | {field: _iso(moment)},
                "recorded_at": CLASSIFIED_AT,
                "batch": UUID(int=number),
            }
            for event, field, moment, more in facts
        ]

    def _messages(self, number: int) -> list[dict[str, Any]]:
        times = {"created_at": CLASSIFIED_AT, "cause_at": CLASSIFIED_AT, "due_at": CLASSIFIED_AT}
        sent = {
            "state": "sent",
            "attempts": 1,
            "attempt_id": UUID(int=number),
            "sent_at": CLASSIFIED_AT,
            "chat_id": 1,
            "message_id": number,
            "text": "Спасибо, что были с нами!",
        }
        rows = [
            {
                "kind": "partner_attendance",
                "priority": 1,
                "person_id": number % self._partners + 1,
                **sent,
                **times,
            },
            {"kind": "candidate_followup", "priority": 2, **sent, **times},
        ]
        if not _stayed(number):
            waiting = {"state": "waiting_recording", "expires_at": CLASSIFIED_AT + timedelta(days=365)}
            rows.append({"kind": "candidate_recording", "priority": 3, **waiting, **times})
        return rows


def _stayed(number: int) -> bool:
    return number % 2 == 0


def _reason(number: int) -> str:
    return "stayed_to_end" if _stayed(number) else "no_show"


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _sessions(count: int) -> None:
    from django.contrib.auth import SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connection

    data, until = SessionStore().encode({SESSION_KEY: "1"}), CLASSIFIED_AT + timedelta(days=3650)
    rows = ((f"session{number:033}", data, until.isoformat()) for number in range(count))
    with connection.cursor() as cursor:
        moment = "timestamptz" if connection.vendor == "postgresql" else "datetime"
        cursor.execute(SESSIONS.format(moment=moment))
        while chunk := list(islice(rows, CHUNK)):
            cursor.executemany("INSERT INTO django_session VALUES (%s, %s, %s)", chunk)


if __name__ == "__main__":
    django.setup()
    fill(int(sys.argv[1]))
