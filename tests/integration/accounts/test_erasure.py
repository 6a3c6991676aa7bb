"""Erasure: no table has a trace of the person, the facts stay, and nothing restores the person."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client

from efir.accounts.access_cache import read_access
from efir.accounts.access_changes import changed_since
from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import Person
from efir.accounts.roles import LastAdmin
from efir.attendance import classifier
from efir.attendance.classifier import recompute, resolve_verdict
from efir.attendance.evidence import live_time_of
from efir.attendance.models import Verdict
from efir.audit.models import AuditEntry
from efir.hooks.actions import Context, Source
from efir.hooks.models import JournalEntry
from efir.ops.cli.people import erase_person
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.telegram import updates
from efir.telegram.bot.outcomes import OutcomeUnknown, Sent
from efir.telegram.link_tokens import hash_of
from efir.telegram.models import ChatNotice, Kind, LinkToken, OutboxMessage, Purpose, TelegramChat
from efir.telegram.outbox import claims, enqueue, queries
from efir.telegram.outbox.completion import complete
from efir.webinars import core
from tests.conftest import PASSWORD, SYSTEM, logged_in
from tests.support.telegram import classified, held, linked, with_bot

pytestmark = pytest.mark.django_db

CLI = Context(None, Source.CLI)
NAME = "Аделаида Незабудкина"
LOGIN = "adelaida@example.org"
CHAT_ID = 987654321012
TRACES = (
    NAME,
    LOGIN,
    "+79991112233",
    "adelaida_private",
    "adelaida.post@example.org",
    str(CHAT_ID),
    "203.0.113.77",
)


@pytest.fixture(autouse=True)
def _bot(settings):
    with_bot(settings)


@pytest.fixture
def person(make_person):
    """A person with every kind of contact."""
    person = make_person(login=LOGIN, name=NAME, password=PASSWORD, invited_by=make_person(Role.PARTNER))
    add_contacts(person)
    return person


def add_contacts(person):
    person.email, person.phone, person.telegram_name = (
        "adelaida.post@example.org",
        "+79991112233",
        "adelaida_private",
    )
    person.save()
    TelegramChat.objects.create(person=person, chat_id=CHAT_ID)


def dump_tables():
    """Return the content of every table as text."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = json.dumps(cursor.fetchall(), default=str, ensure_ascii=False)
    return found


def traces():
    return {(table, trace) for table, text in dump_tables().items() for trace in TRACES if trace in text}


def send_all():
    """Do the dispatcher's work, with every call arriving."""
    holder = held()
    while ready := claims.claim(100, holder):
        for number, claim in enumerate(ready):
            text = claim.compose().text
            claims.mark_sending(claim, text)
            complete(claim, Sent(number + 1), text)


def test_erasure_leaves_no_trace_in_any_table(person, make_person, make_webinar, clock):
    inviter, others = person.invited_by, [make_person(invited_by=person.invited_by) for _ in range(7)]
    linked(inviter)
    webinar, future = make_webinar("live"), make_webinar("scheduled")
    core.book_seat(future.pk, person)
    core.book_seat(webinar.pk, person)
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    classified(webinar, [person, *others], "stayed_to_end", 600)
    classified(make_webinar("finished"), [person], "left_early", 60)
    send_all()
    # One message names all candidates.
    assert NAME in OutboxMessage.objects.filter(person=inviter, lead=others[0]).get().text
    classified(make_webinar("finished"), [person], "stayed_to_end", 600)  # still in the queue
    visitor = Client(REMOTE_ADDR="203.0.113.77")
    visitor.post("/login/", {"username": LOGIN, "password": "wrong"})
    visitor.post("/login/", {"username": LOGIN, "password": PASSWORD})
    LinkToken.objects.create(person=person, token_hash=hash_of("secret"), expires_at=clock.move(1))
    ChatNotice.objects.create(
        purpose=Purpose.TEST, login=LOGIN, created_at=clock(), expires_at=clock(), next_at=clock()
    )
    export = {"export-password": PASSWORD}
    assert (
        visitor.post("/account/data/export", export).status_code == 200
    )  # writes an audit entry with an address
    facts = JournalEntry.objects.filter(lead_id=person.pk).count()
    assert traces()
    key = visitor.session.session_key

    erase(person.pk, CLI)

    assert traces() == set()
    assert read_access([key]) == {}
    assert person.pk in changed_since(clock())  # so that every process closes the streams
    assert JournalEntry.objects.filter(lead_id=person.pk).count() == facts
    assert Verdict.objects.filter(lead=person).count() == 3
    assert [seat.webinar_id for seat in person.seats.all()] == [webinar.pk]
    assert not OutboxMessage.objects.filter(lead=person, state__in=queries.UNSETTLED).exists()
    assert OutboxMessage.objects.filter(person=inviter, lead=others[0]).get().state == "sent"


def test_call_in_flight_does_not_restore_the_name(person, make_webinar, clock):
    inviter = person.invited_by
    linked(inviter)
    classified(make_webinar("finished"), [person], "stayed_to_end", 600)
    calls = [(claim, claim.compose().text) for claim in claims.claim(10, held())]
    assert all(claims.mark_sending(claim, text) for claim, text in calls)
    erase(person.pk, CLI)
    for (claim, text), decision in zip(calls, (Sent(7), OutcomeUnknown("ReadTimeout")), strict=True):
        complete(claim, decision, text)
    assert traces() == set()


def test_composed_call_is_not_made_after_erasure(person, make_webinar, clock):
    linked(person.invited_by)
    classified(make_webinar("finished"), [person], "stayed_to_end", 600)
    ready = [(claim, claim.compose().text) for claim in claims.claim(10, held())]
    erase(person.pk, CLI)
    assert not any(claims.mark_sending(claim, text) for claim, text in ready)
    assert traces() == set()


def test_later_messages_expire(person, make_webinar, clock):
    linked(person.invited_by)
    erase(person.pk, CLI)
    classified(make_webinar("finished"), [person], "left_early", 60)
    assert {row.state for row in OutboxMessage.objects.all()} == {"expired"}
    assert {row.error for row in OutboxMessage.objects.all()} == {"person_erased"}


@pytest.mark.django_db(transaction=True)
def test_erasure_waits_for_concurrent_messages(person, make_webinar, clock):
    """Erase while another transaction writes messages, which on SQLite blocks any other writer."""
    webinar = make_webinar("finished")
    draft = enqueue.NewMessage(
        webinar_id=webinar.pk,
        lead_id=person.pk,
        person_id=person.invited_by_id,
        kind=Kind.PARTNER_ATTENDANCE,
        cause_at=clock(),
    )

    def erased():
        try:
            return erase(person.pk, CLI)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            enqueue.enqueue([draft])
            erasing = pool.submit(erased)
            assert wait([erasing], 1).not_done
        erasing.result(30)
    assert OutboxMessage.objects.get().error == "person_erased"


def test_verdicts_survive_erasure(person, make_webinar, clock):
    webinar = make_webinar("live")
    recorder, begun = RecorderRow(uuid4(), clock(), clock.move(600)), clock()
    write(
        Pending((recorder,), (IntervalRow(recorder.id, webinar.pk, person.pk, recorder.started_at, begun),))
    )
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    clock.move(200)
    while classifier.classify_due():
        pass
    before = Verdict.objects.get(lead=person)
    erase(person.pk, CLI)
    after = Verdict.objects.get(lead=person)
    webinar.refresh_from_db()
    judged = recompute(after, live_time_of(webinar, webinar.finished_at))
    assert (after.attended, after.reason, after.intervals) == (
        before.attended,
        before.reason,
        before.intervals,
    )
    assert (judged.attended, judged.reason) == (before.attended, before.reason)


def test_erasure_is_idempotent(person, capsys):
    assert erase_person(SimpleNamespace(login=LOGIN)) == 0
    first = json.loads(capsys.readouterr().out)
    assert erase_person(SimpleNamespace(login=first["login"])) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert AuditEntry.objects.filter(action="person_erased").count() == 1
    assert erase_person(SimpleNamespace(login=LOGIN)) == 1


def test_late_save_cannot_restore_an_erased_person(person):
    erase(person.pk, CLI)
    with pytest.raises(DatabaseError, match="person_is_erased"), transaction.atomic():
        person.save()


def test_bot_does_not_know_an_erased_person(person):
    LinkToken.objects.create(
        person=person, token_hash=hash_of("secret"), expires_at=person.created_at.replace(year=2099)
    )
    message = {"chat": {"id": CHAT_ID, "type": "private"}, "text": "/start secret"}
    erase(person.pk, CLI)
    reply = updates.process_update({"update_id": 1, "message": message})
    assert "Здравствуйте" in reply.text
    assert not TelegramChat.objects.exists()


def test_candidates_of_erased_partner_are_kept(make_person):
    partner = make_person(Role.PARTNER, login=LOGIN, name=NAME)
    add_contacts(partner)
    candidate, visitor = make_person(invited_by=partner, name="Кандидат"), Client()
    visitor.force_login(candidate)
    erase(partner.pk, CLI)
    candidate.refresh_from_db()
    assert (candidate.name, candidate.invited_by_id) == ("Кандидат", partner.pk)
    page = visitor.get("/account/contacts/").content.decode()
    assert "Аккаунт удалён" in page
    assert NAME not in page
    assert "ref" not in Client().get(f"/signup/?ref={partner.ref_code}").cookies
    assert traces() == set()


class TestOwnErasure:
    @pytest.fixture
    def visitor(self, person):
        return logged_in(person)

    @pytest.mark.parametrize(
        "given", [{"erase-password": PASSWORD}, {"erase-password": "wrong", "erase-sure": "on"}, {}]
    )
    def test_erasure_requires_password_and_confirmation(self, person, visitor, given):
        assert visitor.post("/account/data/erase", given).status_code == 400
        assert Person.objects.get(pk=person.pk).erased_at is None

    def test_erasure_ends_the_session_and_is_recorded(self, person, visitor):
        answer = visitor.post(
            "/account/data/erase", {"erase-password": PASSWORD, "erase-sure": "on"}, follow=True
        )
        assert answer.redirect_chain[-1][0] == "/webinars/"
        assert "Аккаунт удалён, данные стёрты" in answer.content.decode()
        assert visitor.get("/account/").status_code == 302
        assert traces() == set()
        entry = AuditEntry.objects.get(action="person_erased")
        assert (entry.actor_id, entry.person_id, entry.source) == (person.pk, person.pk, "web")

    def test_erasure_attempts_are_limited(self, visitor):
        answers = [
            visitor.post("/account/data/erase", {"erase-password": "x"}).status_code for _ in range(11)
        ]
        assert answers == [400] * 10 + [429]

    def test_last_admin_cannot_be_erased(self, make_person):
        admin = make_person(Role.ADMIN, password=PASSWORD)
        client = logged_in(admin)
        assert "единственный администратор" in client.get("/account/data/").content.decode()
        client.post("/account/data/erase", {"erase-password": PASSWORD, "erase-sure": "on"})
        assert Person.objects.get(pk=admin.pk).is_active
        with pytest.raises(LastAdmin):
            erase(admin.pk, CLI)
        make_person(Role.ADMIN)
        assert erase(admin.pk, CLI).erased_at


def test_decision_by_erased_admin_is_kept(make_person, make_webinar, clock):
    make_person(Role.ADMIN)
    admin, lead = make_person(Role.ADMIN, login=LOGIN, name=NAME), make_person()
    webinar = make_webinar("finished")
    Verdict.objects.create(
        webinar=webinar,
        lead=lead,
        reason="unknown",
        rule="r",
        intervals=[],
        present_s=0,
        classified_at=clock(),
    )
    resolve_verdict(webinar.pk, lead.pk, True, Context(admin.pk, Source.WEB, address="203.0.113.77"))
    assert traces()
    erase(admin.pk, CLI)
    assert traces() == set()
    assert JournalEntry.objects.get(event="client_webinar_attendance_classified").actor_id == admin.pk
