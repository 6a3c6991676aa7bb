"""The lifecycle as data: which status follows which, and what is refused under which code. No database here."""

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

TRANSITIONS = frozenset(
    {
        (Status.DRAFT, Status.SCHEDULED),
        (Status.SCHEDULED, Status.LIVE),
        (Status.LIVE, Status.PAUSED),
        (Status.PAUSED, Status.LIVE),
        (Status.LIVE, Status.FINISHED),
        (Status.PAUSED, Status.FINISHED),
        (Status.FINISHED, Status.ARCHIVED),
    }
)

_Answer = Status | Code | None  # the new status, a refusal, or "it is so already"

_LOCKED: dict[Status, _Answer] = {Status.ARCHIVED: Code.LOCKED}

_ANSWERS: dict[str, dict[Status, _Answer]] = {
    "publish": _LOCKED
    | {
        Status.DRAFT: Status.SCHEDULED,
        Status.SCHEDULED: None,
        Status.LIVE: Code.INVALID_REWIND,
        Status.PAUSED: Code.INVALID_REWIND,
        Status.FINISHED: Code.INVALID_REWIND,
    },
    "start": _LOCKED
    | {
        Status.DRAFT: Code.INVALID_START,
        Status.SCHEDULED: Status.LIVE,
        Status.LIVE: None,
        Status.PAUSED: Code.INVALID_START,
        Status.FINISHED: Code.INVALID_RESTART,
    },
    "stop": _LOCKED
    | {
        Status.DRAFT: Code.INVALID_STOP,
        Status.SCHEDULED: Code.INVALID_STOP,
        Status.LIVE: Status.FINISHED,
        Status.PAUSED: Status.FINISHED,
        Status.FINISHED: None,
    },
    "pause": _LOCKED
    | {
        Status.DRAFT: Code.INVALID_STOP,
        Status.SCHEDULED: Code.INVALID_STOP,
        Status.LIVE: Status.PAUSED,
        Status.PAUSED: None,
        Status.FINISHED: Code.INVALID_REWIND,
    },
    "resume": _LOCKED
    | {
        Status.DRAFT: Code.INVALID_START,
        Status.SCHEDULED: Code.INVALID_START,
        Status.LIVE: None,
        Status.PAUSED: Status.LIVE,
        Status.FINISHED: Code.INVALID_RESTART,
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


def next_status(asked: str, current: Status) -> Status | None:
    """The status that `asked` leads to from `current`, or None where it is so already; raises Refused."""
    answer = _ANSWERS[asked][current]
    if isinstance(answer, Code):
        raise ActionRefused(answer, f"{asked} while {current.value}")
    return answer


def check_cta(current: Status) -> None:
    """Raise Refused unless the call-to-action may be shown or hidden in this status."""
    if current is Status.ARCHIVED:
        raise ActionRefused(Code.LOCKED, "archived")
    if current not in ON_AIR:
        raise ActionRefused(Code.CTA_INVALID_STATE, f"call-to-action while {current.value}")


# Which fields may be written in which status; what is not named here is refused.
_PLAYER = frozenset({"player_url", "chat_url"})
_BUSINESS = _PLAYER | {
    "title",
    "description",
    "speaker_name",
    "starts_at",
    "time_zone",
    "length_min",
    "cta_text",
    "poster",
    "withdrawn",
}
TECHNICAL = frozenset({"stream_type", "forgotten_h"})
COPIED = (_BUSINESS | TECHNICAL) - {"starts_at", "withdrawn"}
# What publishing demands.
REQUIRED = ("title", "starts_at", "player_url")
EDITABLE: dict[Status, frozenset[str]] = {
    Status.DRAFT: _BUSINESS | TECHNICAL,
    Status.SCHEDULED: _BUSINESS | TECHNICAL,
    Status.LIVE: _PLAYER | {"forgotten_h"},
    Status.PAUSED: _PLAYER | {"forgotten_h"},
    Status.FINISHED: frozenset(),
    Status.ARCHIVED: frozenset(),
}


def check_editable(current: Status, fields: set[str]) -> None:
    """Raise Refused where one of `fields` may not be written in this status."""
    refused = fields - EDITABLE[current]
    if refused:
        raise ActionRefused(Code.LOCKED, f"{', '.join(sorted(refused))} while {current.value}")
