"""The hooks into Core, and every other change of a webinar: the one module that writes status and visibility.

Each function locks the row, asks the lifecycle, writes the ledger and then the row, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.dispatch import Signal

from efir.accounts.capabilities import Capability, can, people_who_can
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.log import Change, note_address, record
from efir.audit.models import Origin
from efir.hooks.actions import (
    ActionRefused,
    Code,
    Context,
    CoreWebinarSetCtaVisibility,
    CoreWebinarSetStatus,
    Source,
)
from efir.lib import clock
from efir.webinars.correlation import ledger_cause
from efir.webinars.lifecycle import (
    COPIED,
    REQUIRED,
    TECHNICAL,
    Status,
    check_cta,
    check_editable,
    next_status,
)
from efir.webinars.models import LedgerEntry, Seat, Webinar

NOTIFY_CHANNEL = "efir_webinars"

# Somebody's name among a webinar's words: nobody can be erased from the audit log, so it is told that they changed.
_NAMES = frozenset({"speaker_name"})

# Sent after the commit, with `webinar_id`, in the process that made the change.
webinar_changed = Signal()

log = structlog.get_logger(__name__)


def core_webinar_set_status(webinar_id: int, status: str, context: Context) -> Webinar:
    """Start or stop a webinar; asking for what already is so changes nothing. Raises Refused."""
    action = CoreWebinarSetStatus(webinar_id, status, context)
    with transaction.atomic():
        authorize(action.context, Capability.MANAGE_STATUS)
        webinar = _lock(action.webinar_id)
        if action.status == "start" and webinar.withdrawn and webinar.state is Status.SCHEDULED:
            raise ActionRefused(Code.WITHDRAWN, "put it back first")
        return _transition(webinar, action.status, action.context)


def core_webinar_set_cta_visibility(webinar_id: int, visible: bool, context: Context) -> Webinar:
    """Show or hide the room's call-to-action while on air. Raises Refused."""
    action = CoreWebinarSetCtaVisibility(webinar_id, visible, context)
    with transaction.atomic():
        authorize(action.context, Capability.MANAGE_CTA)
        webinar = _lock(action.webinar_id)
        check_cta(webinar.state)
        if webinar.cta_visible != action.visible:
            _write_transition(webinar, webinar.state, action.visible, action.context)
        return webinar


def publish(webinar_id: int, context: Context) -> Webinar:
    """draft → scheduled, once title, start time and player are set. Raises Refused."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        webinar = _lock(webinar_id)
        if webinar.state is Status.DRAFT:
            _require_filled({name: getattr(webinar, name) for name in REQUIRED})
        return _transition(webinar, "publish", context)


def pause(webinar_id: int, context: Context) -> Webinar:
    """live → paused; the system only. Raises Refused."""
    return _transition_by_system(webinar_id, "pause", context)


def resume(webinar_id: int, context: Context) -> Webinar:
    """paused → live; the system only. Raises Refused."""
    return _transition_by_system(webinar_id, "resume", context)


def archive(webinar_id: int, context: Context) -> Webinar:
    """finished → archived; the system only, and the caller has seen that every message is settled. Raises Refused."""
    return _transition_by_system(webinar_id, "archive", context)


def create(fields: Mapping[str, Any], context: Context) -> Webinar:
    """A new draft. Raises Refused."""
    authorize(context, Capability.EDIT_WEBINAR)
    _authorize_technical(context, set(fields))
    check_editable(Status.DRAFT, set(fields))
    with transaction.atomic():
        webinar = _create(fields, context)
    log.info("webinar_created", webinar_id=webinar.pk, actor_id=context.actor_id)
    return webinar


def copy(webinar_id: int, context: Context) -> Webinar:
    """A new draft with another webinar's fields and poster, but without its time. Raises Refused.

    Whoever may make drafts may copy: technical fields come along as somebody with the capability has set them.
    """
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        source = _lock(webinar_id)
        webinar = _create({name: getattr(source, name) for name in COPIED}, context)
    log.info("webinar_copied", webinar_id=webinar.pk, source_id=webinar_id, actor_id=context.actor_id)
    return webinar


def _create(fields: Mapping[str, Any], context: Context) -> Webinar:
    webinar: Webinar = Webinar.objects.create(**fields, created_by_id=context.actor_id)
    changes = {name: (None, getattr(webinar, name)) for name in fields}
    _audit_changes(Action.WEBINAR_CREATED, context, webinar, changes)
    return webinar


def update(webinar_id: int, fields: Mapping[str, Any], context: Context) -> Webinar:
    """Write the business and technical fields that changed; all of them or none. Raises Refused."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        webinar = _lock(webinar_id)
        changed = {name: value for name, value in fields.items() if getattr(webinar, name) != value}
        if not changed:
            return webinar
        _authorize_technical(context, set(changed))
        check_editable(webinar.state, set(changed))
        if webinar.state is not Status.DRAFT:
            _require_filled({name: value for name, value in changed.items() if name in REQUIRED})
        changes = {name: (getattr(webinar, name), value) for name, value in changed.items()}
        _audit_changes(Action.WEBINAR_EDITED, context, webinar, changes)
        _write(webinar, **changed)
        log.info("webinar_edited", webinar_id=webinar_id, fields=sorted(changed), actor_id=context.actor_id)
        return webinar


def _audit_changes(action: Action, context: Context, webinar: Webinar, changes: Mapping[str, Change]) -> None:
    told = {name: change for name, change in changes.items() if name not in _NAMES}
    untold = sorted(name for name in changes.keys() & _NAMES if any(changes[name]))
    details: dict[str, Any] = {"untold": untold} if untold else {}
    record(action, context, webinar_id=webinar.pk, changes=told, **details)


def publish_recording(webinar_id: int, url: str, context: Context) -> Webinar:
    """Set the recording's address; those who wait for it get it. Raises Refused.

    A recording belongs to a webinar that has taken place: on air or finished, not before, and not once archived.
    """
    with transaction.atomic():
        authorize(context, Capability.PUBLISH_RECORDING)
        webinar = _lock(webinar_id)
        if webinar.state is Status.ARCHIVED:
            raise ActionRefused(Code.LOCKED, "archived")
        if webinar.state in (Status.DRAFT, Status.SCHEDULED):
            raise ActionRefused(Code.RECORDING_INVALID_STATE, f"a recording while {webinar.status}")
        if webinar.recording_url != url:
            changes = {"recording_url": (webinar.recording_url, url)}
            record(Action.RECORDING_PUBLISHED, context, webinar_id=webinar_id, changes=changes)
            _write(webinar, recording_url=url)
            recording_published.send(sender=Webinar, webinar_id=webinar_id)
            log.info("recording_published", webinar_id=webinar_id, actor_id=context.actor_id)
        return webinar


# Sent within the transaction that publishes a recording, with `webinar_id`.
recording_published = Signal()


def book_seat(webinar_id: int, person: Person) -> Seat:
    """Book a seat until the stop; once for each person. Raises Refused."""
    with transaction.atomic():
        if not can(person, Capability.ENTER_ROOM):
            raise ActionRefused(Code.FORBIDDEN, Capability.ENTER_ROOM)
        webinar = _lock(webinar_id)
        if webinar.state is Status.DRAFT:
            raise ActionRefused(Code.NOT_FOUND)
        if webinar.state in (Status.FINISHED, Status.ARCHIVED):
            raise ActionRefused(Code.SEATS_CLOSED, webinar.status)
        if webinar.withdrawn:
            raise ActionRefused(Code.WITHDRAWN)
        seat, _ = Seat.objects.get_or_create(
            webinar=webinar, person=person, defaults={"booked_at": clock.now()}
        )
        return seat


def _require_filled(values: Mapping[str, Any]) -> None:
    """What publishing demands is there, and what it demanded stays."""
    if lacking := [name for name, value in values.items() if not value]:
        raise ActionRefused(Code.INCOMPLETE, ", ".join(lacking))


def authorize(context: Context, capability: Capability) -> None:
    """Raise ActionRefused unless the actor has the capability; the system has every one."""
    if context.actor_id is None:
        return  # the system and the command line; Context refuses an action from the web without a person
    actor = Person.objects.filter(pk=context.actor_id, is_active=True).first()
    if actor is None or not can(actor, capability):
        raise ActionRefused(Code.FORBIDDEN, capability)


def _authorize_technical(context: Context, fields: set[str]) -> None:
    if fields & TECHNICAL:
        authorize(context, Capability.EDIT_TECHNICAL)


def _transition_by_system(webinar_id: int, asked: str, context: Context) -> Webinar:
    if context.source is Source.WEB:
        raise ActionRefused(Code.FORBIDDEN, f"{asked} is the system's")
    with transaction.atomic():
        return _transition(_lock(webinar_id), asked, context)


def _lock(webinar_id: int) -> Webinar:
    # no_key: who comes in and who is judged refers to the row, and need not wait for its lock.
    webinar: Webinar | None = Webinar.objects.select_for_update(no_key=True).filter(pk=webinar_id).first()
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND, str(webinar_id))
    return webinar


def _transition(webinar: Webinar, asked: str, context: Context) -> Webinar:
    status = next_status(asked, webinar.state)
    if status is not None:
        _write_transition(webinar, status, webinar.cta_visible, context)
    return webinar


def _write_transition(webinar: Webinar, status: Status, cta_visible: bool, context: Context) -> None:
    moment = clock.now()
    entry = LedgerEntry.objects.create(
        webinar=webinar,
        from_status=webinar.status,
        to_status=status,
        cta_visible=cta_visible,
        actor_id=context.actor_id,
        source=context.source,
        at=moment,
    )
    note_address(Origin.LEDGER, entry.pk, context)
    moments: dict[str, Any] = {}
    if status is Status.LIVE and webinar.started_at is None:
        moments["started_at"] = moment
    if status is Status.FINISHED:
        moments["finished_at"] = moment
        _settle_lead_seats(webinar)
    before = webinar.status
    _write(webinar, status=status, cta_visible=cta_visible, **moments)
    log.info(
        "webinar_changed",
        webinar_id=webinar.pk,
        before=before,
        after=status.value,
        cta_visible=cta_visible,
        actor_id=context.actor_id,
        source=context.source.value,
        cause=ledger_cause(entry.pk),
    )


def _settle_lead_seats(webinar: Webinar) -> None:
    """Whether an absent seat holder is a lead is settled now; a later change of role changes nothing."""
    leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("person_id"))
    Seat.objects.filter(webinar=webinar).update(held_by_lead=Exists(leads))


def _write(webinar: Webinar, **fields: Any) -> None:
    # The plain manager: Core is the one place that may write the guarded fields.
    Webinar._base_manager.filter(pk=webinar.pk).update(
        version=F("version") + 1, changed_at=clock.now(), **fields
    )
    webinar.refresh_from_db()
    webinar_id = webinar.pk
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [NOTIFY_CHANNEL, str(webinar_id)])
    transaction.on_commit(lambda: _notify(webinar_id))


def _notify(webinar_id: int) -> None:
    webinar_changed.send(sender=Webinar, webinar_id=webinar_id)
