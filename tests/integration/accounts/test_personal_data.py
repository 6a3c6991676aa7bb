"""The export of a person's own data, and consent by version."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.db import connection
from django.db.models import F, ForeignKey
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts import consent, personal_data
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.personal_data import export_data, stream_data
from efir.audit.models import AuditEntry
from efir.ops.cli.people import export_person
from efir.room.models import Opening, PresenceInterval, Recorder
from efir.telegram.models import LinkToken, OutboxMessage
from efir.webinars import core
from tests.conftest import PASSWORD, SYSTEM, logged_in
from tests.support.telegram import classified, linked, with_bot

pytestmark = pytest.mark.django_db

# Every column that refers to a person, and its section of the export.
EXPORTED = {
    "accounts.Membership.person": "account",
    "accounts.Person.invited_by": "invited_by_you",
    "accounts.Session.person": "sessions",
    "accounts.SecondFactor.person": "second_factor",
    "accounts.RecoveryCode.person": "second_factor",
    "webinars.LedgerEntry.actor": "webinars_you_changed",
    "webinars.Seat.person": "seats",
    "webinars.Webinar.created_by": "webinars_you_created",
    "room.Opening.person": "openings",
    "room.CtaPress.person": "cta_presses",
    "room.PlaybackTrouble.person": "playback_troubles",
    "room.PresenceInterval.person": "presence",
    "room.WatchingInterval.person": "watching",
    "broadcast.BroadcastSession.person": "broadcasts",
    "broadcast.StreamKey.issued_by": "stream_keys_you_made",
    "talk.Message.person": "talk",
    "talk.Mute.person": "talk_mutes",
    "importing.ImportedRecord.person": "imported_from",
    "attendance.Participation.person": "participations",
    "attendance.Verdict.lead": "verdicts",
    "attendance.Verdict.decided_by": "verdicts_you_decided",
    "telegram.TelegramChat.person": "telegram",
    "telegram.LinkToken.person": "telegram_invitations",
    "telegram.OutboxMessage.lead": "messages",
    "telegram.OutboxMessage.person": "messages",
    "telegram.OutboxMessage.caused_by": "messages_you_handled",
    "telegram.OutboxMessage.retried_by": "messages_you_handled",
    "telegram.OutboxMessage.resolved_by": "messages_you_handled",
}
# Tables that name people by id or login without a foreign key, and their section.
EXPORTED_WITHOUT_KEY = {
    "hooks.JournalEntry": "facts",
    "audit.AuditEntry": "audit_log",
    "audit.AuditAddress": "addresses",
    "axes.AccessAttempt": "failed_log_ins",
    "telegram.ChatNotice": "asked_of_the_bot",
}
# Tables without people. Those of django-axes that could have some are never written (see the settings).
WITHOUT_PEOPLE = {
    *("auth.Permission", "auth.Group", "auth.Group_permissions", "contenttypes.ContentType"),
    *("axes.AccessFailureLog", "axes.AccessLog", "axes.AccessAttemptExpiration"),
    *("accounts.ConsentText", "site_settings.SiteSettings", "site_settings.LogoFile"),
    *("webinars.Poster", "webinars.PosterFile", "hooks.ListenerRetry", "attendance.Classification"),
    *("room.Recorder", "room.SpeakerPageSeen", "talk.TalkRoom"),
    *(
        "broadcast.Container",
        "broadcast.Chunk",
        "broadcast.Segment",
        "broadcast.LowSegment",
        "broadcast.BroadcastLease",
    ),
    "broadcast.Recording",
    *(
        "telegram.BotUpdate",
        "telegram.DispatcherState",
        "telegram.MessageBatch",
        "ops.WorkerHeartbeat",
        "ops.DemoMark",
        "ops.SecretKeyFingerprint",
    ),
}
# Bookkeeping that says nothing about the person: changes of access, Django's unused permissions, and the work that is
# left of a classification.
NOT_EXPORTED = {
    "accounts.AccessChange.person",
    "accounts.Person_user_permissions.person",
    "attendance.ClassificationChunk.continued_inviter",
}


@pytest.fixture(autouse=True)
def _bot(settings):
    with_bot(settings)


def test_every_table_about_people_is_exported(make_person):
    columns = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and field.related_model is Person
    }
    assert columns == set(EXPORTED) | NOT_EXPORTED
    others = {model._meta.label for model in apps.get_models(include_auto_created=True)} - {
        column.rpartition(".")[0] for column in columns
    }
    assert others == set(EXPORTED_WITHOUT_KEY) | WITHOUT_PEOPLE
    assert {*EXPORTED.values(), *EXPORTED_WITHOUT_KEY.values()} <= set(export_data(make_person()))


def test_addresses_and_failed_logins_are_exported(make_person, make_webinar):
    speaker = make_person(Role.SPEAKER, login="speaker@example.org")
    client = Client(REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="Firefox")
    for login in ("Speaker@example.org", "another@example.org"):
        client.post("/login/", {"username": login, "password": "wrong-password"})
    client.force_login(speaker)
    webinar = make_webinar("scheduled")
    client.post(f"/admin_webinar/{webinar.pk}/", {"title": "Другое"})
    client.post(f"/admin_webinar/{webinar.pk}/start")
    exported = export_data(speaker)
    assert [(row["address"], row["origin"]) for row in exported["addresses"]] == [
        ("203.0.113.9", "audit"),
        ("203.0.113.9", "ledger"),
    ]
    (failed,) = exported["failed_log_ins"]
    assert (failed["ip_address"], failed["user_agent"], failed["tries"]) == ("203.0.113.9", "Firefox", 1)
    assert "wrong-password" not in json.dumps(exported)
    assert export_data(make_person())["addresses"] == []


def test_export_has_own_data_only(make_person, make_webinar, clock):
    inviter = make_person(Role.PARTNER, name="Другой Партнёр", login="partner@example.org")
    person = make_person(name="Сама Собой", login="own@example.org", password=PASSWORD, invited_by=inviter)
    other = make_person(name="Чужой Кандидат", login="other@example.org", invited_by=inviter)
    for somebody in (inviter, person, other):
        linked(somebody)
    webinar = make_webinar("live")
    recorder = Recorder.objects.create(started_at=clock(), pulsed_at=clock())
    for somebody in (person, other):
        core.book_seat(webinar.pk, somebody)
        PresenceInterval.objects.create(recorder=recorder, webinar=webinar, person=somebody, began_at=clock())
        Opening.objects.create(webinar=webinar, person=somebody, opened_at=clock())
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    classified(webinar, [person, other], "left_early", 60)
    OutboxMessage.objects.update(text="Чужой Кандидат", chat_id=F("person_id") + 7000)
    OutboxMessage.objects.filter(person=person).update(text="Сама Собой, спасибо")
    LinkToken.objects.create(person=person, token_hash="x", expires_at=clock() + timedelta(days=1))

    answer = logged_in(person).post("/account/data/export", {"export-password": PASSWORD})
    text = "".join(parts_of(answer))
    exported = json.loads(text)
    assert "attachment" in answer["Content-Disposition"]
    for section in (
        "account",
        "sessions",
        "seats",
        "presence",
        "openings",
        "verdicts",
        "telegram",
        "telegram_invitations",
    ):
        assert len(exported[section]) == 1, section
    assert [fact["event"] for fact in exported["facts"]] == [
        "client_webinar_attendance_classified",
        "post_webinar_route",
    ]
    assert {(row["kind"], row["text"]) for row in exported["messages"]} == {
        ("partner_attendance", None),
        ("candidate_followup", "Сама Собой, спасибо"),
        ("candidate_recording", "Сама Собой, спасибо"),
    }
    assert {row["chat_id"] for row in exported["messages"]} == {None, 7000 + person.pk}
    assert exported["account"][0]["consent_version"] == consent.consent_version()
    assert [row["action"] for row in exported["audit_log"]] == ["consent_given", "data_exported"]
    for theirs in ("Чужой", "other@", "Другой", "partner@", str(7000 + other.pk), str(7000 + inviter.pk)):
        assert theirs not in text
    export_of_inviter = json.dumps(export_data(inviter), default=str, ensure_ascii=False)
    assert "Сама" not in export_of_inviter
    assert "Чужой" not in export_of_inviter


async def collect(parts):
    return [part async for part in parts]


def parts_of(answer):
    return [part.decode() for part in async_to_sync(collect)(answer.streaming_content)]


def test_export_begins_before_everything_is_read(make_person, make_webinar):
    person = make_person(password=PASSWORD)
    core.book_seat(make_webinar().pk, person)
    client = logged_in(person)
    with CaptureQueriesContext(connection) as queries:
        answer = client.post("/account/data/export", {"export-password": PASSWORD})
    assert not any('FROM "webinars_seat"' in query["sql"] for query in queries)
    head, *sections, tail = parts_of(answer)
    assert '"efir_export": 1' in head
    assert len(sections) == len(personal_data._sections)
    assert "left_out" in tail


def test_streamed_export_is_the_same(make_person, make_webinar, clock):
    person = make_person(password=PASSWORD)
    for _ in range(3):
        core.book_seat(make_webinar().pk, person)
    parts = async_to_sync(collect)(stream_data(person, 2, "ru"))
    expected = export_data(person, 2)
    streamed = json.loads("".join(parts))
    assert streamed | {"made_at": ""} == json.loads(json.dumps(expected, default=str)) | {"made_at": ""}


def test_export_requires_the_password(make_person):
    client = logged_in(make_person(password=PASSWORD))
    assert client.post("/account/data/export", {"export-password": "wrong"}).status_code == 400
    assert not AuditEntry.objects.filter(action="data_exported").exists()


def test_long_section_counts_omitted_rows(make_person, make_webinar):
    person = make_person()
    for _ in range(3):
        core.book_seat(make_webinar().pk, person)
    exported = export_data(person, limit=2)
    assert (len(exported["seats"]), exported["left_out"]) == (2, {"seats": 1})


def test_command_line_writes_a_private_file(make_person, tmp_path, capsys):
    options = SimpleNamespace(login=make_person().login, file=tmp_path / "person.json")
    assert export_person(options) == 0
    assert json.loads(options.file.read_text())["efir_export"] == 1
    assert options.file.stat().st_mode & 0o777 == 0o600
    assert export_person(options) == 1
    assert "file_not_written" in capsys.readouterr().err


class TestConsent:
    def log_in(self, client, person, **more):
        return client.post("/login/", {"username": person.login, "password": PASSWORD, **more})

    def test_added_person_is_asked_for_consent_at_first_login(self, make_person):
        person, client = make_person(password=PASSWORD), Client()
        Person.objects.update(consent_at=None, consent_version="")
        asked = self.log_in(client, person, next="/account/contacts/").url
        assert asked == "/account/consent/?next=%2Faccount%2Fcontacts%2F"
        assert "завели за вас" in client.get(asked).content.decode()
        assert not Person.objects.get(pk=person.pk).consent_version  # that it was not given is recorded
        answer = client.post("/account/consent/", {"next": "/account/contacts/"})
        assert answer.url == "/account/contacts/"
        assert Person.objects.get(pk=person.pk).consent_version == consent.consent_version()
        assert client.get("/account/consent/").url == "/account/"

    def test_new_text_is_asked_again_and_old_consent_is_recorded(self, make_person, monkeypatch):
        person, client = make_person(password=PASSWORD), Client()
        assert self.log_in(client, person).url == "/account/"
        before = consent.BASE_VERSION
        monkeypatch.setattr(consent, "BASE_VERSION", "next")
        client.post("/logout/")
        assert "изменился" in client.get(self.log_in(client, person).url).content.decode()
        client.post("/account/consent/")
        versions = [row.details["changes"]["consent_version"] for row in AuditEntry.objects.order_by("pk")]
        assert versions == [["", before], [before, "next"]]
