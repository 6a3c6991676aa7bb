"""The lifecycle as data: the allowed transitions, and the codes of the refusals.

This module does not access the database.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.hooks.actions import ActionRefused, Code


class Status(models.TextChoices):
    """draft → scheduled → live ⇄ paused → finished → archived."""

    DRAFT = "draft", _("черновик")
    SCHEDULED = "scheduled", _("запланирован")
    LIVE = "live", _("в эфире")
    PAUSED = "paused", _("пауза")
    FINISHED = "finished", _("завершён")
    ARCHIVED = "archived", _("в архиве")


ON_AIR = (Status.LIVE, Status.PAUSED)


class Video(models.TextChoices):
    """The source of a webinar's video: its own broadcast, a framed player, or a playlist at an address."""

    OWN = "own", _("свой эфир")
    EMBED = "embed", _("плеер другого сервиса")
    HLS = "hls", _("поток HLS по адресу")


# The outcome of each action in each status: the new status, a refusal, or None if nothing needs to change.
_OUTCOMES: dict[str, dict[Status, Status | Code | None]] = {
    "publish": {
        Status.DRAFT: Status.SCHEDULED,
        Status.SCHEDULED: None,
        Status.LIVE: Code.INVALID_REWIND,
        Status.PAUSED: Code.INVALID_REWIND,
        Status.FINISHED: Code.INVALID_REWIND,
        Status.ARCHIVED: Code.LOCKED,
    },
    "start": {
        Status.DRAFT: Code.INVALID_START,
        Status.SCHEDULED: Status.LIVE,
        Status.LIVE: None,
        Status.PAUSED: Code.INVALID_START,
        Status.FINISHED: Code.INVALID_RESTART,
        Status.ARCHIVED: Code.LOCKED,
    },
    "stop": {
        Status.DRAFT: Code.INVALID_STOP,
        Status.SCHEDULED: Code.INVALID_STOP,
        Status.LIVE: Status.FINISHED,
        Status.PAUSED: Status.FINISHED,
        Status.FINISHED: None,
        Status.ARCHIVED: Code.LOCKED,
    },
    "pause": {
        Status.DRAFT: Code.INVALID_STOP,
        Status.SCHEDULED: Code.INVALID_STOP,
        Status.LIVE: Status.PAUSED,
        Status.PAUSED: None,
        Status.FINISHED: Code.INVALID_REWIND,
        Status.ARCHIVED: Code.LOCKED,
    },
    "resume": {
        Status.DRAFT: Code.INVALID_START,
        Status.SCHEDULED: Code.INVALID_START,
        Status.LIVE: None,
        Status.PAUSED: Status.LIVE,
        Status.FINISHED: Code.INVALID_RESTART,
        Status.ARCHIVED: Code.LOCKED,
    },
    "archive": {
        Status.DRAFT: Code.INVALID_ARCHIVE,
        Status.SCHEDULED: Code.INVALID_ARCHIVE,
        Status.LIVE: Code.INVALID_ARCHIVE,
        Status.PAUSED: Code.INVALID_ARCHIVE,
        Status.FINISHED: Status.ARCHIVED,
        Status.ARCHIVED: None,
    },
}

# Every allowed change of status; the database's triggers enforce them, too.
TRANSITIONS = frozenset(
    (before, after)
    for outcomes in _OUTCOMES.values()
    for before, after in outcomes.items()
    if isinstance(after, Status)
)


def next_status(action: str, current: Status) -> Status | None:
    """Return the status that `action` leads to, or None if the webinar is there already. Raises ActionRefused."""
    outcome = _OUTCOMES[action][current]
    if isinstance(outcome, Code):
        raise ActionRefused(outcome, f"cannot {action} while {current.value}")
    return outcome


def check_cta(current: Status) -> None:
    """Raise ActionRefused if the call-to-action may not be shown or hidden in this status."""
    if current is Status.ARCHIVED:
        raise ActionRefused(Code.LOCKED, "an archived webinar does not change")
    if current not in ON_AIR:
        raise ActionRefused(
            Code.CTA_INVALID_STATE, f"the call-to-action changes on air only, not while {current.value}"
        )


# Which fields may be written in which status; all others are refused.
_PLAYER = frozenset({"video", "player_url", "chat_url"})
# The room's talk can be changed on air, for example during a flood.
_TALK = frozenset({"talk", "talk_hold", "talk_slow_s", "talk_words"})
_BUSINESS = (
    _PLAYER
    | _TALK
    | {
        "title",
        "description",
        "speaker_name",
        "starts_at",
        "time_zone",
        "length_min",
        "cta_text",
        "poster",
        "withdrawn",
        "auto_publish",
    }
)
TECHNICAL = frozenset({"stream_type", "forgotten_h"})
COPIED = (_BUSINESS | TECHNICAL) - {"starts_at", "withdrawn"}
# Publishing needs these fields, and a published webinar keeps them: see `required_fields`.
REQUIRED = ("title", "starts_at", "player_url")
EDITABLE: dict[Status, frozenset[str]] = {
    Status.DRAFT: _BUSINESS | TECHNICAL,
    Status.SCHEDULED: _BUSINESS | TECHNICAL,
    Status.LIVE: _PLAYER | _TALK | {"forgotten_h", "auto_publish"},
    Status.PAUSED: _PLAYER | _TALK | {"forgotten_h", "auto_publish"},
    Status.FINISHED: frozenset(),
    Status.ARCHIVED: frozenset(),
}


def required_fields(video: str) -> tuple[str, ...]:
    """Return the fields that a published webinar needs: the own broadcast needs no player's address."""
    return tuple(name for name in REQUIRED if name != "player_url" or video != Video.OWN)


def check_editable(current: Status, fields: set[str]) -> None:
    """Raise ActionRefused if any of `fields` may not be written in this status."""
    refused = fields - EDITABLE[current]
    if refused:
        raise ActionRefused(Code.LOCKED, f"cannot change {', '.join(sorted(refused))} while {current.value}")
