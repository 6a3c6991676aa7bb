"""Stop forgotten webinars: on air for longer than their limit, without anybody present who could stop them."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef

from efir.accounts.capabilities import Capability, people_who_can
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.room.models import PresenceInterval, Recorder, SpeakerPageSeen
from efir.webinars.core import core_webinar_set_status
from efir.webinars.models import Webinar
from efir.webinars.selectors import on_air

# The speaker's page reports every minute: one report may be lost.
SEEN_WITHIN = timedelta(minutes=2)

log = structlog.get_logger(__name__)


def stop_forgotten() -> int:
    """Stop every forgotten webinar through the hook, as the system. Return how many were stopped."""
    forgotten = [webinar for webinar in on_air() if _is_overdue(webinar) and not _is_watched(webinar)]
    for webinar in forgotten:
        log.warning("webinar_forgotten", webinar_id=webinar.pk)
        core_webinar_set_status(webinar.pk, "stop", Context(None, Source.SYSTEM))
    return len(forgotten)


def _is_overdue(webinar: Webinar) -> bool:
    limit = timedelta(hours=webinar.forgotten_h or settings.EFIR.forgotten_h)
    return webinar.started_at is not None and clock.now() - webinar.started_at > limit


def _is_watched(webinar: Webinar) -> bool:
    """Return whether somebody with `manage_status` has the webinar's room or speaker page open."""
    since = clock.now() - SEEN_WITHIN
    managers = people_who_can(Capability.MANAGE_STATUS).filter(pk=OuterRef("person_id"))
    recording = Recorder.objects.filter(pk=OuterRef("recorder_id"), pulsed_at__gt=since, closed_at=None)
    in_room = PresenceInterval.objects.filter(
        Exists(managers), Exists(recording), webinar=webinar, ended_at=None
    )
    return in_room.exists() or SpeakerPageSeen.objects.filter(webinar=webinar, seen_at__gt=since).exists()
