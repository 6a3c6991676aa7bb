"""The control panel: what can be done with a webinar now, and why the rest cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.webinars.labels import absolute_time, missing_fields_message, refusal_message
from efir.webinars.lifecycle import EDITABLE, REQUIRED, Status, check_cta, next_status
from efir.webinars.models import Webinar

# A start so long before the announced time is asked about: nobody may be there yet.
EARLY = timedelta(minutes=15)


@dataclass(frozen=True)
class Availability:
    """One action: whether it is offered, and the sentence that says why not."""

    offered: bool
    why_not: str = ""


@dataclass(frozen=True)
class AvailableActions:
    """Every action on one webinar."""

    publish: Availability
    start: Availability
    stop: Availability
    cta: Availability
    withdraw: Availability
    recording: Availability
    early: str  # the announced time in words, where it is still far off


def available_actions(webinar: Webinar) -> AvailableActions:
    """What the lifecycle says about this webinar now."""
    return AvailableActions(
        publish=_publish(webinar),
        start=_no(Code.WITHDRAWN) if _is_withdrawn(webinar) else _step(webinar, "start"),
        stop=_step(webinar, "stop"),
        cta=_cta(webinar),
        withdraw=Availability("withdrawn" in EDITABLE[webinar.state]),
        recording=_recording(webinar),
        early=_early(webinar),
    )


def _early(webinar: Webinar) -> str:
    at = webinar.starts_at
    is_early = webinar.state is Status.SCHEDULED and at and at - clock.now() > EARLY
    return absolute_time(at, webinar.zone) if at and is_early else ""


def _no(code: Code) -> Availability:
    return Availability(offered=False, why_not=refusal_message(code))


def _is_withdrawn(webinar: Webinar) -> bool:
    return webinar.withdrawn and webinar.state is Status.SCHEDULED


def _step(webinar: Webinar, asked: str) -> Availability:
    try:
        return Availability(next_status(asked, webinar.state) is not None)
    except ActionRefused as refused:
        return _no(refused.code)


def _publish(webinar: Webinar) -> Availability:
    lacking = [name for name in REQUIRED if not getattr(webinar, name)]
    if webinar.state is Status.DRAFT and lacking:
        return Availability(offered=False, why_not=missing_fields_message(lacking))
    return Availability(webinar.state is Status.DRAFT)


def _cta(webinar: Webinar) -> Availability:
    try:
        check_cta(webinar.state)
    except ActionRefused as refused:
        return _no(refused.code)
    return Availability(offered=True)


def _recording(webinar: Webinar) -> Availability:
    if webinar.state is Status.ARCHIVED:
        return _no(Code.LOCKED)
    if webinar.state in (Status.DRAFT, Status.SCHEDULED):
        return _no(Code.RECORDING_INVALID_STATE)
    return Availability(offered=True)
