"""The actions that the control panel offers for a webinar now, and the reasons why it does not offer the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.webinars.labels import absolute_time, missing_fields_message, refusal_message
from efir.webinars.lifecycle import EDITABLE, Status, check_cta, next_status, required_fields
from efir.webinars.models import Webinar

# A start more than this long before the announced time needs a confirmation: nobody may be there yet.
EARLY = timedelta(minutes=15)


@dataclass(frozen=True)
class Availability:
    """Whether an action is offered; `why_not` is a sentence for the speaker, or empty."""

    offered: bool
    why_not: str = ""


@dataclass(frozen=True)
class AvailableActions:
    """Every action of the control panel. `early_start` is the announced time in words while a start is too early."""

    publish: Availability
    start: Availability
    stop: Availability
    cta: Availability
    withdraw: Availability
    recording: Availability
    early_start: str


def available_actions(webinar: Webinar) -> AvailableActions:
    """Ask the lifecycle what can be done with the webinar in its present state."""
    state = webinar.state
    lacking = [name for name in required_fields(webinar.video) if not getattr(webinar, name)]
    if state is Status.DRAFT and lacking:
        publish = Availability(offered=False, why_not=missing_fields_message(lacking))
    else:
        publish = Availability(offered=state is Status.DRAFT)
    start = _transition(state, "start")
    if start.offered and webinar.withdrawn:
        start = _refused(Code.WITHDRAWN)
    cta = Availability(offered=True)
    try:
        check_cta(state)
    except ActionRefused as refused:
        cta = _refused(refused.code)
    recording = Availability(offered=True)
    if state is Status.ARCHIVED:
        recording = _refused(Code.LOCKED)
    elif state in (Status.DRAFT, Status.SCHEDULED):
        recording = _refused(Code.RECORDING_INVALID_STATE)
    starts_at = webinar.starts_at
    is_early = starts_at and state is Status.SCHEDULED and starts_at - clock.now() > EARLY
    return AvailableActions(
        publish=publish,
        start=start,
        stop=_transition(state, "stop"),
        cta=cta,
        withdraw=Availability("withdrawn" in EDITABLE[state]),
        recording=recording,
        early_start=absolute_time(starts_at, webinar.zone) if starts_at and is_early else "",
    )


def _transition(state: Status, action: str) -> Availability:
    try:
        return Availability(next_status(action, state) is not None)
    except ActionRefused as refused:
        return _refused(refused.code)


def _refused(code: Code) -> Availability:
    return Availability(offered=False, why_not=refusal_message(code))
