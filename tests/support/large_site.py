"""A site with many rows of everything, written in bulk: for checks that a cost does not grow with the installation.

`grow` adds candidates of one partner, who all take part in one finished and one live webinar, and webinars that all
have a verdict on one candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import models, transaction

from efir.accounts.capabilities import Role
from efir.accounts.models import Group, Membership, Person
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.rules import Rule
from efir.audit.actions import Action
from efir.audit.models import AuditAddress, AuditEntry, Origin
from efir.hooks.actions import Source
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.room.models import CtaPress, Opening, PresenceInterval, Recorder, WatchingInterval
from efir.talk.models import Message, TalkRoom
from efir.telegram.models import Kind, OutboxMessage, TelegramChat
from efir.triggers import registry
from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry, Seat, Webinar

BATCH = 2000
HOUR = timedelta(hours=1)
PLAYER = "https://rutube.ru/play/embed/1"
RULE = str(Rule(90, 60, 50))
CHAT = 1_000_000
# Of four verdicts one each.
OUTCOMES = ((True, "stayed_to_end"), (False, "left_early"), (False, "no_show"), (None, "unknown"))
# Of ten webinars: two ahead, one draft, the others over.
AHEAD, DRAFTS = (0, 1), (2,)
STATES = ("sent", "waiting_link", "failed", "uncertain")


class LargeSite:
    """The people and webinars that pages are asked for; `grow` adds the rows."""

    def __init__(self) -> None:
        self.now = clock.now()
        self.admin, self.speaker, self.leader, self.partner = (
            self._people([f"{role}@example.org"], role)[0]
            for role in (Role.ADMIN, Role.SPEAKER, Role.LEADER, Role.PARTNER)
        )
        (self.candidate,) = self._people(["candidate@example.org"], Role.CANDIDATE, self.partner)
        self.people = 0
        self.webinars = 0
        with registry.disabled():
            self.finished, self.live = self._webinars(
                [(Status.FINISHED, self.now - 3 * HOUR), (Status.LIVE, self.now - HOUR)]
            )
        self.scheduled = self.finished
        self.draft = self.finished
        self.recorder = Recorder.objects.create(
            started_at=self.now - 100 * HOUR, pulsed_at=self.now, records_watching=True
        )
        TalkRoom.objects.create(webinar=self.live)
        Classification.objects.create(webinar=self.finished, done_at=self.now, heartbeats={})

    def grow(self, people: int, webinars: int) -> None:
        """Add candidates and webinars with everything that depends on them."""
        with transaction.atomic(), registry.disabled():
            self._grow_webinars(webinars)
            self._grow_people(people)

    def _grow_webinars(self, count: int) -> None:
        statuses = []
        for number in range(self.webinars, self.webinars + count):
            if number % 10 in AHEAD:
                statuses.append((Status.SCHEDULED, self.now + (number + 1) * HOUR))
            elif number % 10 in DRAFTS:
                statuses.append((Status.DRAFT, self.now + (number + 1) * HOUR))
            else:
                statuses.append((Status.FINISHED, self.now - (number + 48) * HOUR))
        self.webinars += count
        added = self._webinars(statuses)
        self.scheduled = next(each for each in added if each.status == Status.SCHEDULED)
        self.draft = next(each for each in added if each.status == Status.DRAFT)
        over = [each for each in added if each.status == Status.FINISHED]
        _create(Classification(webinar=each, done_at=self.now, heartbeats={}) for each in over)
        (held,) = self._people([f"held{self.webinars}"], Role.CANDIDATE)
        _create(Seat(webinar=each, person=self.candidate, held_by_lead=True) for each in added)
        self._judge(
            [(webinar, self.candidate, OUTCOMES[number % 3]) for number, webinar in enumerate(over)]
            + [(webinar, held, OUTCOMES[3]) for webinar in over]
        )

    def _grow_people(self, count: int) -> None:
        logins = [f"lead{number}@example.org" for number in range(self.people, self.people + count)]
        leads = self._people(logins, Role.CANDIDATE, self.partner)
        _create(TelegramChat(person=lead, chat_id=CHAT + lead.pk) for lead in leads)
        _create(Seat(webinar=self.finished, person=lead, held_by_lead=True) for lead in leads)
        self._judge([(self.finished, lead, OUTCOMES[number % 4]) for number, lead in enumerate(leads)])
        _create(Seat(webinar=self.live, person=lead) for lead in leads)
        _create(
            Participation(webinar=self.live, person=lead, is_lead=True, entered_at=self.now) for lead in leads
        )
        for model in (PresenceInterval, WatchingInterval):
            _create(self._interval(model, self.live, lead, None) for lead in leads)
        _create(CtaPress(webinar=self.live, person=lead, pressed_at=self.now) for lead in leads)
        _create(
            Message(
                webinar=self.live,
                person=lead,
                number=self.people + number + 1,
                change=self.people + number + 1,
                client_id=uuid4(),
                kind=("question", "chat")[number % 2],
                text="Сколько это стоит?",
                state="shown",
                shown_at=self.now,
            )
            for number, lead in enumerate(leads)
        )
        self.people += count
        TalkRoom.objects.filter(webinar=self.live).update(last_change=self.people)
        self._audit(leads)

    def _audit(self, leads: Sequence[Person]) -> None:
        common = {"at": self.now, "actor_id": self.admin.pk, "source": Source.WEB}
        entries = _create(
            AuditEntry(**common, action=action, person_id=lead.pk, webinar_id=self.finished.pk)
            for lead in leads
            for action in (Action.ROLE_ASSIGNED, Action.CONSENT_GIVEN)
        )
        _create(
            AuditAddress(
                origin=Origin.AUDIT,
                entry_id=entry.pk,
                actor_id=self.admin.pk,
                address="203.0.113.9",
                at=self.now,
            )
            for entry in entries
        )

    def _people(self, logins: Sequence[str], role: Role, inviter: Person | None = None) -> list[Person]:
        people = _create(
            Person(
                login=login,
                name=f"Имя {login.partition('@')[0]}",
                search_name=f"имя {login.partition('@')[0]}",
                password="!",  # nobody logs in with it
                invited_by=inviter,
                consent_at=self.now,
                consent_version="1",
            )
            for login in logins
        )
        group = Group.objects.get(name=role)
        _create(Membership(person=person, group=group) for person in people)
        return people

    def _webinars(self, wanted: Sequence[tuple[Status, datetime]]) -> list[Webinar]:
        webinars = []
        for number, (status, starts_at) in enumerate(wanted, start=self.webinars):
            is_over = status == Status.FINISHED
            began = is_over or status == Status.LIVE
            webinars.append(
                Webinar(
                    title=f"Вебинар {number}",
                    status=status,
                    starts_at=starts_at,
                    player_url=PLAYER,
                    started_at=starts_at if began else None,
                    finished_at=starts_at + HOUR if is_over else None,
                    changed_at=starts_at,
                )
            )
        webinars = _create(webinars)
        steps = {
            Status.DRAFT: (),
            Status.SCHEDULED: (Status.SCHEDULED,),
            Status.LIVE: (Status.SCHEDULED, Status.LIVE),
            Status.FINISHED: (Status.SCHEDULED, Status.LIVE, Status.FINISHED),
        }
        _create(
            LedgerEntry(
                webinar=webinar,
                from_status=before,
                to_status=after,
                cta_visible=False,
                source=Source.CLI,
                at=webinar.finished_at if after == Status.FINISHED else webinar.starts_at,
            )
            for webinar in webinars
            for before, after in zip(
                (Status.DRAFT, *steps[Status(webinar.status)]), steps[Status(webinar.status)], strict=False
            )
        )
        return webinars

    def _judge(self, parts: Sequence[tuple[Webinar, Person, tuple[bool | None, str]]]) -> None:
        """Give each person their part in a webinar: presence, a verdict, its facts and its messages."""
        came = [(webinar, lead) for webinar, lead, (_, reason) in parts if reason != "no_show"]
        _create(
            Participation(webinar=webinar, person=lead, is_lead=True, entered_at=webinar.started_at)
            for webinar, lead in came
        )
        _create(Opening(webinar=webinar, person=lead, opened_at=webinar.started_at) for webinar, lead in came)
        for model in (PresenceInterval, WatchingInterval):
            _create(
                self._interval(model, webinar, lead, webinar.started_at + HOUR / 2) for webinar, lead in came
            )
        _create(self._verdict(*part) for part in parts)
        _create(
            JournalEntry(
                event=ClientWebinarAttendanceClassified.name,
                webinar_id=webinar.pk,
                lead_id=lead.pk,
                moment=self.now,
                recorded_at=self.now,
                actor_id=self.admin.pk if attended is None else None,
                payload={"attended": bool(attended)},
                batch=uuid4(),
            )
            for webinar, lead, (attended, _) in parts
        )
        _create(
            OutboxMessage(
                webinar=webinar,
                lead=lead,
                person=person,
                kind=kind,
                state=STATES[lead.pk % len(STATES)],
                priority=1,
                created_at=self.now,
                cause_at=self.now,
                due_at=self.now,
                expires_at=self.now + 1000 * HOUR,
            )
            for webinar, lead, _ in parts
            for kind, person in ((Kind.PARTNER_ATTENDANCE, self.partner), (Kind.CANDIDATE_FOLLOWUP, lead))
        )

    def _verdict(self, webinar: Webinar, lead: Person, outcome: tuple[bool | None, str]) -> Verdict:
        attended, reason = outcome
        start = webinar.started_at
        spans = [] if reason == "no_show" else [[clock.iso(start), clock.iso(start + HOUR / 2)]]
        return Verdict(
            webinar=webinar,
            lead=lead,
            attended=attended,
            reason=reason,
            rule=RULE,
            why_unknown="process_died" if attended is None else "",
            intervals=spans,
            unseen=[],
            present_s=1800.0 if spans else 0.0,
            live_s=3600.0,
            classified_at=self.now,
        )

    def _interval(
        self, model: type[models.Model], webinar: Webinar, person: Person, until: datetime | None
    ) -> Any:
        return model(
            recorder=self.recorder,
            webinar=webinar,
            person=person,
            began_at=webinar.started_at,
            ended_at=until,
        )


def _create(rows: Iterator[Any] | list[Any]) -> list[Any]:
    rows = list(rows)
    return list(type(rows[0])._default_manager.bulk_create(rows, batch_size=BATCH)) if rows else []
