"""Stream keys: with its webinar's key an encoder publishes without a login. Only a digest is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256

import structlog
from django.conf import settings
from django.db import transaction

from efir.accounts.capabilities import Capability
from efir.audit.actions import Action
from efir.audit.log import record
from efir.broadcast.models import BroadcastSession, SessionSource, SessionState, StreamKey
from efir.hooks.actions import ActionRefused, Code, Context
from efir.lib import clock
from efir.webinars.core import authorize
from efir.webinars.lifecycle import Status, Video
from efir.webinars.models import Webinar

log = structlog.get_logger(__name__)


def issue(webinar_id: int, context: Context) -> str:
    """Make a new key for a webinar and return it.

    It is shown only once, because only its digest is stored. The previous key becomes invalid, and an encoder that
    publishes with it is disconnected. Raises ActionRefused.
    """
    key = secrets.token_urlsafe(24)  # 192 bits cannot be guessed, so that a plain digest is enough
    with transaction.atomic():
        authorize(context, Capability.BROADCAST)
        webinar = Webinar.objects.select_for_update(no_key=True).filter(pk=webinar_id).first()
        if webinar is None:
            raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")
        if webinar.video != Video.OWN or webinar.state in (Status.FINISHED, Status.ARCHIVED):
            raise ActionRefused(Code.LOCKED, "this webinar does not accept an encoder")
        StreamKey.objects.update_or_create(
            webinar=webinar,
            defaults={"digest": _digest(key), "issued_at": clock.now(), "issued_by_id": context.actor_id},
        )
        record(Action.STREAM_KEY_ISSUED, context, webinar_id=webinar_id)
        BroadcastSession.objects.filter(
            webinar_id=webinar_id, source=SessionSource.RTMP, state=SessionState.OPEN
        ).update(state=SessionState.ENDED, ended_at=clock.now())
    log.info("stream_key_issued", webinar_id=webinar_id, actor_id=context.actor_id)
    return key


def webinar_of(key: str) -> int | None:
    """Return the id of the webinar for which the key is valid now, or None."""
    webinar_id: int | None = (
        StreamKey.objects.filter(digest=_digest(key), webinar__video=Video.OWN)
        .exclude(webinar__status__in=(Status.FINISHED, Status.ARCHIVED))
        .values_list("webinar_id", flat=True)
        .first()
    )
    return webinar_id


@dataclass(frozen=True)
class EncoderSettings:
    """The settings for an encoder that a page shows: the address, and whether there is a key."""

    address: str
    issued_key: StreamKey | None


def encoder_of(webinar: Webinar) -> EncoderSettings | None:
    """Return what to enter in an encoder for this webinar; None if it takes none."""
    address = encoder_address()
    if not address or webinar.video != Video.OWN or webinar.state in (Status.FINISHED, Status.ARCHIVED):
        return None
    return EncoderSettings(address, StreamKey.objects.filter(webinar=webinar).first())


def encoder_address() -> str:
    """Return the address to enter in an encoder beside the key; empty while the operator has not switched RTMP on."""
    if settings.EFIR.rtmp_url:
        return str(settings.EFIR.rtmp_url)
    if not settings.EFIR.rtmp_port:
        return ""
    host = settings.EFIR.public_url.partition("://")[2]
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return f"rtmp://{name}:{settings.EFIR.rtmp_port}/live"


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
