"""The hooks into Core, and every other change of a webinar: the only module that writes status and visibility.

Each function locks the row, asks the lifecycle, and writes the ledger and then the row in one transaction. All of
them raise ActionRefused, with the code that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy as copy_of
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, ProtectedError
from django.dispatch import Signal, receiver

from efir.accounts.capabilities import Capability, can, people_who_can
from efir.accounts.models import Person
from efir.accounts.roles import lock_actor
from efir.audit.actions import Action
from efir.audit.log import note_address, record
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
from efir.site_settings.current import settings_saved
from efir.webinars.correlation import ledger_cause
from efir.webinars.embeds import is_hls
from efir.webinars.lifecycle import (
    COPIED,
    EDITABLE,
    TECHNICAL,
    Status,
    Video,
    check_cta,
    check_editable,
    next_status,
    required_fields,
)
from efir.webinars.models import LedgerEntry, Seat, Talk, Webinar
from efir.webinars.row_lock import hold, lock

# The channel of LISTEN/NOTIFY that carries the ids of changed webinars between processes.
NOTIFY_CHANNEL = "efir_webinars"
NO_WEBINAR = 0  # an id that no webinar has: other content of pages has changed

# Fields that name a person. The audit log cannot be erased from, so it keeps that they changed, but no value.
_PERSONAL_FIELDS = frozenset({"speaker_name"})

# A press this long after another is intended: accidental double presses come within a second, and browsers repeat a
# lost request soon.
PRESSED_TWICE = timedelta(seconds=5)

# Sent after the commit, with `webinar_id` and the row `webinar` as it was written, in the process that made the change.
webinar_changed = Signal()
# Sent after the commit, with `person_id`, in the process that booked the seat.
seat_booked = Signal()
# Sent within the transaction that publishes a recording, with `webinar_id`.
recording_published = Signal()
# Sent within the transaction that deletes a draft, before its row goes, with `webinar_id`: delete your rows of it.
draft_deleted = Signal()

log = structlog.get_logger(__name__)


def core_webinar_set_status(webinar_id: int, status: str, context: Context) -> Webinar:
    """Start or stop a webinar. Idempotent: starting a live webinar is a no-op."""
    action = CoreWebinarSetStatus(webinar_id, status, context)
    with transaction.atomic():
        authorize(action.context, Capability.MANAGE_STATUS)
        webinar = lock(action.webinar_id)
        if action.status == "start" and webinar.withdrawn and webinar.state is Status.SCHEDULED:
            raise ActionRefused(Code.WITHDRAWN, "put the webinar back into the schedule first")
        return _transition(webinar, action.status, action.context)


def core_webinar_set_cta_visibility(webinar_id: int, visible: bool, context: Context) -> Webinar:
    """Show or hide the room's call-to-action while the webinar is on air. Idempotent."""
    action = CoreWebinarSetCtaVisibility(webinar_id, visible, context)
    with transaction.atomic():
        authorize(action.context, Capability.MANAGE_CTA)
        webinar = lock(action.webinar_id)
        check_cta(webinar.state)
        if webinar.cta_visible != action.visible:
            _write_ledger(webinar, webinar.state, action.visible, action.context)
        return webinar


def publish(webinar_id: int, context: Context) -> Webinar:
    """Schedule a draft that has a title, a start time and a player."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        webinar = lock(webinar_id)
        if webinar.state is Status.DRAFT:
            _require_filled({name: getattr(webinar, name) for name in required_fields(webinar.video)})
        return _transition(webinar, "publish", context)


def pause(webinar_id: int, context: Context) -> Webinar:
    """Pause a live webinar; for the system only."""
    return _transition_by_system(webinar_id, "pause", context)


def resume(webinar_id: int, context: Context) -> Webinar:
    """Resume a paused webinar; for the system only."""
    return _transition_by_system(webinar_id, "resume", context)


def archive(webinar_id: int, context: Context) -> Webinar:
    """Archive a finished webinar; for the system only. The caller has to make sure that every message is settled."""
    return _transition_by_system(webinar_id, "archive", context)


def create(fields: Mapping[str, Any], context: Context) -> Webinar:
    """Create a draft with these fields."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        if fields.keys() & TECHNICAL:
            authorize(context, Capability.EDIT_TECHNICAL)
        check_editable(Status.DRAFT, set(fields))
        fields = dict(fields) | _video_of(fields, Video.OWN, "")
        return _create(fields, context, "webinar_created")


def copy(webinar_id: int, context: Context) -> Webinar:
    """Create a draft with another webinar's fields and poster, but without its time.

    Technical fields are copied, too, although the actor may lack their capability: somebody with it set them.
    """
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        source = lock(webinar_id)
        fields = {name: getattr(source, name) for name in COPIED}
        return _create(fields, context, "webinar_copied", source_id=webinar_id)


def delete_draft(webinar_id: int, context: Context) -> None:
    """Delete a draft. Anything else is refused, and so is a draft with a rehearsal or one that was imported."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        webinar = lock(webinar_id)
        if webinar.state is not Status.DRAFT:
            raise ActionRefused(Code.LOCKED, f"only drafts can be deleted, not one that is {webinar.status}")
        record(
            Action.WEBINAR_DELETED, context, webinar_id=webinar_id, changes={"title": (webinar.title, None)}
        )
        draft_deleted.send(sender=Webinar, webinar_id=webinar_id)
        try:
            webinar.delete()
        except ProtectedError as exc:
            raise ActionRefused(Code.LOCKED, "it has a rehearsal, or it was imported") from exc
        _notify(webinar_id)
        transaction.on_commit(
            partial(log.info, "webinar_deleted", webinar_id=webinar_id, actor_id=context.actor_id)
        )


def _create(fields: Mapping[str, Any], context: Context, event: str, **logged: Any) -> Webinar:
    """Create and log a draft, or return the one that the same person has just created with the same fields.

    Two presses of a button are two requests at the same time, perhaps in two processes. The second waits for the lock.
    """
    if context.source is Source.WEB and context.actor_id:
        Person.objects.select_for_update(no_key=True).get(pk=context.actor_id)
        wanted = Webinar(**fields)
        same = {name: getattr(wanted, name) for name in EDITABLE[Status.DRAFT]}
        repeated = Webinar.objects.filter(
            created_by_id=context.actor_id, created_at__gt=clock.now() - PRESSED_TWICE, version=1, **same
        ).last()
        if repeated:
            return repeated
    webinar: Webinar = Webinar.objects.create(**fields, created_by_id=context.actor_id)
    changes = {name: (None, getattr(webinar, name)) for name in fields}
    _audit_changes(Action.WEBINAR_CREATED, context, webinar, changes)
    logged |= {"webinar_id": webinar.pk, "actor_id": context.actor_id}
    transaction.on_commit(partial(log.info, event, **logged))
    return webinar


def update(webinar_id: int, fields: Mapping[str, Any], context: Context) -> Webinar:
    """Write those of the business and technical fields that differ: all of them or none."""
    with transaction.atomic():
        authorize(context, Capability.EDIT_WEBINAR)
        webinar = lock(webinar_id)
        fields = dict(fields) | _video_of(fields, webinar.video, webinar.player_url)
        changed = {name: value for name, value in fields.items() if getattr(webinar, name) != value}
        if not changed:
            return webinar
        if changed.keys() & TECHNICAL:
            authorize(context, Capability.EDIT_TECHNICAL)
        check_editable(webinar.state, set(changed))
        if webinar.state is not Status.DRAFT:
            video = changed.get("video", webinar.video)
            required = required_fields(video)
            # A change of `video` may require an address that was empty until now.
            touched = changed.keys() | ({"player_url"} if "video" in changed else set())
            _require_filled(
                {name: fields.get(name, getattr(webinar, name)) for name in required if name in touched}
            )
        if "chat_url" in changed and "talk" not in fields:
            changed |= _talk_of_frame(webinar, changed["chat_url"])
        changes = {name: (getattr(webinar, name), value) for name, value in changed.items()}
        _audit_changes(Action.WEBINAR_EDITED, context, webinar, changes)
        _write(webinar, **changed)
        log.info("webinar_edited", webinar_id=webinar_id, fields=sorted(changed), actor_id=context.actor_id)
        return webinar


def _video_of(fields: Mapping[str, Any], video: str, player_url: str) -> dict[str, str]:
    """Return `video` as it becomes with these fields, or nothing if they do not touch it.

    `own` is a choice. Between `embed` and `hls` the address decides, so that the two can never disagree; an address
    that is given without `video` is meant to be played.
    """
    if not fields.keys() & {"video", "player_url"}:
        return {}
    wanted, url = fields.get("video"), fields.get("player_url", player_url)
    if wanted == Video.OWN or not url:
        return {"video": wanted or video}
    if wanted is None and url == player_url:
        return {}
    return {"video": Video.HLS if is_hls(url) else Video.EMBED}


def _talk_of_frame(webinar: Webinar, chat_url: str) -> dict[str, Any]:
    """Return the mode of the talk that follows when a foreign chat is entered or removed."""
    before, after = (Talk.CHAT, Talk.EMBED) if chat_url else (Talk.EMBED, Talk.CHAT)
    return {"talk": after} if webinar.talk == before else {}


def _audit_changes(
    action: Action, context: Context, webinar: Webinar, changes: dict[str, tuple[Any, Any]]
) -> None:
    untold = sorted(name for name in changes.keys() & _PERSONAL_FIELDS if any(changes[name]))
    details: dict[str, Any] = {"untold": untold} if untold else {}
    kept = {name: change for name, change in changes.items() if name not in _PERSONAL_FIELDS}
    record(action, context, webinar_id=webinar.pk, changes=kept, **details)


def publish_recording(webinar_id: int, url: str, context: Context) -> Webinar:
    """Set the recording's address and announce it; refused before the start and once archived."""
    with transaction.atomic():
        authorize(context, Capability.PUBLISH_RECORDING)
        webinar = lock(webinar_id)
        if webinar.state is Status.ARCHIVED:
            raise ActionRefused(Code.LOCKED, "an archived webinar does not change")
        if webinar.state in (Status.DRAFT, Status.SCHEDULED):
            raise ActionRefused(
                Code.RECORDING_INVALID_STATE,
                f"publish a recording after the start, not while {webinar.status}",
            )
        if webinar.recording_url != url:
            changes = {"recording_url": (webinar.recording_url, url)}
            record(Action.RECORDING_PUBLISHED, context, webinar_id=webinar_id, changes=changes)
            _write(webinar, recording_url=url)
            recording_published.send(sender=Webinar, webinar_id=webinar_id)
            log.info("recording_published", webinar_id=webinar_id, actor_id=context.actor_id)
        return webinar


def withdraw_recording(webinar_id: int, context: Context) -> Webinar:
    """Remove the address of a recording that no longer exists; for the system only.

    Messages that wait for it keep waiting.
    """
    if context.source is Source.WEB:
        raise ActionRefused(Code.FORBIDDEN, "only the system may withdraw a recording")
    with transaction.atomic():
        webinar = lock(webinar_id)
        if webinar.recording_url:
            changes = {"recording_url": (webinar.recording_url, "")}
            record(Action.RECORDING_PUBLISHED, context, webinar_id=webinar_id, changes=changes)
            _write(webinar, recording_url="")
            log.info("recording_withdrawn", webinar_id=webinar_id)
        return webinar


def check_webinar(webinar_id: int) -> None:
    """Raise ActionRefused if there is no such webinar."""
    if not Webinar.objects.filter(pk=webinar_id).exists():
        raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")


def book_seat(webinar_id: int, person: Person) -> Seat:
    """Book the person's seat, or return the one they have; refused from the stop on."""
    with transaction.atomic():
        if not can(person, Capability.ENTER_ROOM):
            raise ActionRefused(Code.FORBIDDEN, Capability.ENTER_ROOM)
        webinar = hold(webinar_id)
        if webinar.state is Status.DRAFT:
            raise ActionRefused(Code.NOT_FOUND)
        if webinar.state in (Status.FINISHED, Status.ARCHIVED):
            raise ActionRefused(Code.SEATS_CLOSED, f"no seats are booked while {webinar.status}")
        if webinar.withdrawn:
            raise ActionRefused(Code.WITHDRAWN)
        seat, _ = Seat.objects.get_or_create(
            webinar=webinar, person=person, defaults={"booked_at": clock.now()}
        )
        transaction.on_commit(partial(seat_booked.send, sender=Seat, person_id=person.pk))
        return seat


def _require_filled(values: Mapping[str, Any]) -> None:
    if lacking := [name for name, value in values.items() if not value]:
        raise ActionRefused(Code.INCOMPLETE, ", ".join(lacking))


def authorize(context: Context, capability: Capability) -> None:
    """Raise ActionRefused unless the actor has the capability; the system and the command line have every one.

    Call it in the transaction of the change: a demotion then waits for it (see `lock_actor`).
    """
    if not lock_actor(context, capability):
        raise ActionRefused(Code.FORBIDDEN, capability)


def _transition_by_system(webinar_id: int, action: str, context: Context) -> Webinar:
    if context.source is Source.WEB:
        raise ActionRefused(Code.FORBIDDEN, f"only the system may {action} a webinar")
    with transaction.atomic():
        return _transition(lock(webinar_id), action, context)


def _transition(webinar: Webinar, action: str, context: Context) -> Webinar:
    status = next_status(action, webinar.state)
    if status is not None:
        _write_ledger(webinar, status, webinar.cta_visible, context)
    return webinar


def _write_ledger(webinar: Webinar, status: Status, cta_visible: bool, context: Context) -> None:
    """Write a ledger entry, and then the webinar's row, which the triggers compare with the entry."""
    now, before = clock.now(), webinar.status
    entry = LedgerEntry.objects.create(
        webinar=webinar,
        from_status=before,
        to_status=status,
        cta_visible=cta_visible,
        actor_id=context.actor_id,
        source=context.source,
        at=now,
    )
    note_address(Origin.LEDGER, entry.pk, context)
    moments: dict[str, Any] = {}
    if status is Status.LIVE and webinar.started_at is None:
        moments["started_at"] = now
        moments |= {name: getattr(settings.EFIR, name) for name in ("grace_s", "settle_s", "min_watched")}
    if status is Status.FINISHED:
        moments["finished_at"] = now
        # Store now whether a seat holder is a lead: a later change of role has no effect.
        leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("person_id"))
        Seat.objects.filter(webinar=webinar).update(held_by_lead=Exists(leads))
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


def _write(webinar: Webinar, **fields: Any) -> None:
    """Update the row and its version, and tell this process and the others after the commit."""
    # The base manager, because the default one refuses to write the protected fields.
    Webinar._base_manager.filter(pk=webinar.pk).update(
        version=F("version") + 1, changed_at=clock.now(), **fields
    )
    webinar.refresh_from_db()
    _notify(webinar.pk)
    # A copy, because the caller may change the row.
    sent = {"webinar_id": webinar.pk, "webinar": copy_of(webinar)}
    transaction.on_commit(partial(webinar_changed.send, sender=Webinar, **sent))


@receiver(settings_saved, dispatch_uid="efir.webinars.settings_saved")
def _on_settings_saved(**_: Any) -> None:
    """Invalidate the caches of every process, because pages show the site's settings."""
    _notify(NO_WEBINAR)


def _notify(webinar_id: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [NOTIFY_CHANNEL, str(webinar_id)])
