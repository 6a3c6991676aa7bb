"""The audit log: each action with its actor, time, object, network address and changes; append-only."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import Client
from django.utils.timezone import localtime

from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import Person
from efir.accounts.role_history import leads_at
from efir.accounts.roles import assign_role
from efir.accounts.services import close_account
from efir.attendance.models import Verdict
from efir.audit.actions import Action
from efir.audit.log import record
from efir.audit.models import AuditEntry
from efir.hooks.actions import ActionRefused
from efir.pages.audit_entries import AuditFilter, entry_as_json, iter_entries
from efir.telegram.models import Kind, OutboxMessage
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import PLAYER, SYSTEM

pytestmark = pytest.mark.django_db
ADDRESS = "203.0.113.9"


@pytest.fixture
def admin(make_person):
    client = Client(REMOTE_ADDR=ADDRESS)
    client.person = make_person(Role.ADMIN, login="admin", name="Ольга")
    client.force_login(client.person)
    return client


def lines(**asked):
    return [entry_as_json(record) for record in iter_entries(AuditFilter(**asked))]


def message(webinar, lead, kind, state, clock):
    moments = {"created_at": clock(), "cause_at": clock(), "due_at": clock()}
    return OutboxMessage.objects.create(
        webinar=webinar, lead=lead, person=lead, kind=kind, state=state, priority=1, **moments
    )


def test_webinar_actions_are_recorded_once_each(admin, make_person, clock):
    lead = make_person(login="lead")
    start = {
        "title": "Начало",
        "starts_at": "2026-11-24T19:00",
        "time_zone": "Europe/Moscow",
        "length_min": "60",
    }
    admin.post("/admin_webinar/new/", {**start, "player_url": PLAYER, "stream_type": "obs"})
    webinar = Webinar.objects.get()
    page = f"/admin_webinar/{webinar.pk}/"
    verdict = {"rule": "r", "intervals": [], "present_s": 0, "classified_at": clock(), "reason": "unknown"}
    Verdict.objects.create(webinar=webinar, lead=lead, **verdict)
    failed = message(webinar, lead, Kind.CANDIDATE_FOLLOWUP, "failed", clock)
    unknown = message(webinar, lead, Kind.CANDIDATE_RECORDING, "uncertain", clock)
    for path, given in (
        ("", {"title": "Как начать"}),
        ("publish", {}),
        ("withdraw", {"withdrawn": "true"}),
        ("withdraw", {"withdrawn": "false"}),
        ("start", {}),
        ("start", {}),  # asked again, it is done already
        ("cta", {"visible": "true"}),
        ("cta", {"visible": "false"}),
        ("stop", {}),
        ("recording", {"url": "https://video.example.org/1"}),
        (f"verdicts/{lead.pk}", {"attended": "true"}),
        (f"messages/{failed.pk}/retry", {}),
        (f"messages/{unknown.pk}/resolve", {"delivered": "true"}),
    ):
        clock.move(1)
        assert admin.post(page + path, given).status_code in (200, 302), path
    told = lines(webinar_id=webinar.pk)[::-1]
    assert [line["action"] for line in told] == [
        "webinar_created",
        "webinar_edited",
        "webinar_published",
        "webinar_edited",
        "webinar_edited",
        "webinar_started",
        "cta_shown",
        "cta_hidden",
        "webinar_stopped",
        "recording_published",
        "verdict_decided",
        "messages_retried",
        "messages_resolved",
    ]
    assert {(line["actor"], line["source"], line["address"]) for line in told} == {("admin", "web", ADDRESS)}
    assert told[1]["changes"] == {"title": ["Начало", "Как начать"]}
    assert told[3]["changes"] == {"withdrawn": [False, True]}
    assert told[10]["person"] == "lead"


def test_speaker_name_is_recorded_without_its_value(admin, make_webinar):
    webinar = make_webinar("draft", speaker_name="Анна Петрова")
    core.update(webinar.pk, {"speaker_name": "Вера Ким", "title": "Как начать снова"}, SYSTEM)
    core.copy(webinar.pk, SYSTEM)
    core.create({"title": "Без спикера", "speaker_name": ""}, SYSTEM)
    assert [line.get("untold") for line in lines()[::-1]] == [*[["speaker_name"]] * 3, None]
    assert lines(action="webinar_edited")[0]["changes"] == {"title": ["Как начать", "Как начать снова"]}
    written = str(list(AuditEntry.objects.values_list("details", flat=True)))
    assert "Анна" not in written
    assert "Вера" not in written
    assert "изменено, значение не хранится: спикер" in admin.get("/account/audit/").content.decode()


def test_changes_of_people_are_recorded(admin, make_person):
    person = make_person(login="somebody")
    for path, given in (("role", {"role": "partner"}), ("role", {"role": "partner"}), ("password_reset", {})):
        admin.post(f"/account/people/{person.pk}/{path}", given)
    added = {"name": "Новый", "login": "new@example.org", "role": "speaker"}
    admin.post("/account/people/", added)
    told = [line for line in lines()[::-1] if line["source"] == "web" and line["actor"] == "admin"]
    told = [(line["action"], line["person"], line.get("changes")) for line in told]
    assert told == [
        ("role_assigned", "somebody", {"role": ["candidate", "partner"]}),
        ("password_link_made", "somebody", {}),
        ("person_added", "new@example.org", {}),
    ]


def test_refused_action_is_not_recorded(make_webinar):
    webinar, before = make_webinar("archived"), AuditEntry.objects.count()
    with pytest.raises(ActionRefused):
        core.update(webinar.pk, {"title": "Другое"}, SYSTEM)
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("verb", ["DELETE FROM audit_auditentry", "UPDATE audit_auditentry SET action = 'x'"])
def test_log_is_append_only(make_webinar, verb):
    make_webinar("draft")
    refused = pytest.raises(DatabaseError, match="audit_log_is_append_only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(verb)


@pytest.mark.django_db(transaction=True)
def test_record_needs_a_transaction():
    with pytest.raises(TransactionManagementError):
        record(Action.TABLE_EXPORTED, SYSTEM)


class TestPage:
    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", True),
            ("?person=admin", True),
            ("?person=nobody", False),
            ("?webinar=x", False),
            ("?webinar=999", False),
            ("?action=webinar_edited", True),
            ("?action=role_assigned", False),
            ("?action=webinar_edited&person=admin&page=2", True),
            ("?action=nonsense&page=-1", True),
            ("?since=2020-01-01", True),
            ("?until=2020-01-01", False),
            ("?since=2020-01-01&until=9999-12-31", True),
            ("?since=yesterday", True),
        ],
    )
    def test_filters(self, admin, make_webinar, query, shown):
        webinar = make_webinar("scheduled")
        admin.post(f"/admin_webinar/{webinar.pk}/", {"title": "Совсем новое"})
        html = admin.get(f"/account/audit/{query}").content.decode()
        assert ("→ Совсем новое" in html) is shown

    def test_last_day_is_whole(self, admin, make_webinar, clock):
        make_webinar("scheduled")
        day = localtime(clock()).date().isoformat()
        for query in (f"since={day}", f"until={day}", f"since={day}&until={day}"):
            assert "публикация</td>" in admin.get(f"/account/audit/?{query}").content.decode()

    def test_choices_include_staff_and_the_chosen_value(self, admin, make_person, make_webinar):
        make_person(Role.SPEAKER, login="speaker", name="Вера")
        make_person(login="lead", name="Иван")
        webinar = make_webinar("draft", title="Набросок")
        page = admin.get("/account/audit/").content.decode()
        assert '<option value="speaker">Вера (speaker)</option>' in page
        assert f'<option value="{webinar.pk}">Набросок</option>' in page
        assert 'value="lead"' not in page
        page = admin.get(f"/account/audit/?person=lead&webinar={webinar.pk}").content.decode()
        assert '<option value="lead" selected>Иван (lead)</option>' in page
        assert f'<option value="{webinar.pk}" selected>' in page

    def test_several_changes_are_folded(self, admin, make_webinar):
        webinar = make_webinar("draft")
        core.update(webinar.pk, {"title": "Другое", "length_min": 30}, SYSTEM)
        page = admin.get(f"/account/audit/?webinar={webinar.pk}&action=webinar_edited").content.decode()
        assert '<details class="fold"><summary>2 изменения</summary>' in page

    def test_choices_are_in_words(self, admin, make_webinar):
        webinar = make_webinar("draft")
        core.update(webinar.pk, {"talk": "questions"}, SYSTEM)
        page = admin.get(f"/account/audit/?webinar={webinar.pk}&action=webinar_edited").content.decode()
        assert "разговор в комнате: общий чат → вопросы ведущему" in page

    def test_is_paged(self, admin, make_webinar, clock, django_assert_max_num_queries):
        webinar = make_webinar("scheduled")
        for number in range(60):
            clock.move(1)
            core.update(webinar.pk, {"title": f"Название {number}"}, SYSTEM)
        with django_assert_max_num_queries(16):
            first = admin.get("/account/audit/").content.decode()
        second = admin.get("/account/audit/?page=2").content.decode()
        assert "→ Название 59" in first
        assert "→ Название 5<" not in first
        assert "→ Название 5<" in second

    def test_every_action_has_a_label(self):
        assert all("а" <= str(action.label)[0] <= "я" for action in Action)


def test_leads_at_uses_the_roles_of_the_moment(make_person, clock):
    up, down, same = make_person(), make_person(Role.PARTNER), make_person()
    then = clock()
    clock.move(1)
    assign_role(up, Role.PARTNER)
    clock.move(1)
    assign_role(up, Role.SPEAKER)
    assign_role(down, Role.CANDIDATE)
    people = Person.objects.values_list("pk", flat=True)
    assert leads_at(dict.fromkeys(people, then)) == {up.pk, same.pk}
    assert leads_at(dict.fromkeys(people, then + timedelta(seconds=2))) == {down.pk, same.pk}
    assert leads_at({}) == set()


def test_leads_at_counts_accounts_closed_later(make_person, clock):
    erased, closed, partner = make_person(), make_person(), make_person(Role.PARTNER)
    then = clock()
    clock.move(1)
    close_account(closed, SYSTEM)
    for person in (erased, partner):
        erase(person.pk, SYSTEM)
    people = [erased.pk, closed.pk, partner.pk]
    assert leads_at(dict.fromkeys(people, then)) == {erased.pk, closed.pk}


def test_command_prints_json_lines(admin, make_webinar, capsys):
    from efir.ops.cli.commands import audit

    make_webinar("scheduled")
    assert audit(SimpleNamespace(webinar=None, person=None, action="webinar_published")) == 0
    assert '"action": "webinar_published"' in capsys.readouterr().out
    assert audit(SimpleNamespace(webinar=None, person="nobody", action=None)) == 1
