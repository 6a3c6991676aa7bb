"""What a verdict says to a person."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.attendance.models import Verdict

REASONS: dict[str, Promise] = {
    "stayed_to_end": _("до конца"),
    "left_early": _("ушёл раньше"),
    "no_show": _("не пришёл"),
    "unknown": _("неизвестно"),
    "decided_by_admin": _("решил администратор"),
}

WHY_UNKNOWN: dict[str, Promise] = {
    "final_grace_unseen": _("система не работала в конце эфира"),
    "process_died": _("сервер, который видел этого зрителя, упал"),
    "live_time_unseen": _("система не работала часть эфира"),
}


def verdict_word(verdict: Verdict) -> str:
    """Attended, not attended, or waiting for a decision."""
    if verdict.attended is None:
        return str(_("ждёт решения"))
    return str(_("был на вебинаре")) if verdict.attended else str(_("не был на вебинаре"))


def reason_words(verdict: Verdict) -> str:
    """Why, in a few words."""
    reason = str(REASONS.get(verdict.reason, verdict.reason))
    unknown = WHY_UNKNOWN.get(verdict.why_unknown)
    return f"{reason}: {unknown}" if unknown and verdict.attended is None else reason
