"""What a verdict says to a person."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from efir.attendance.models import Verdict

REASONS: dict[str, Promise] = {
    "stayed_to_end": _("до конца"),
    "left_early": _("выход раньше времени"),
    "no_show": _("без входа в эфир"),
    "unknown": _("неизвестно"),
    "decided_by_admin": _("решение администратора"),
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
    return str(_("участие засчитано")) if verdict.attended else str(_("участие не засчитано"))


def reason_words(verdict: Verdict) -> str:
    """Why, in a few words."""
    reason = str(REASONS.get(verdict.reason, verdict.reason))
    unknown = WHY_UNKNOWN.get(verdict.why_unknown)
    return f"{reason}: {unknown}" if unknown and verdict.attended is None else reason


def present_words(verdict: Verdict) -> str:
    """How long somebody was there in live time: «47 минут», «меньше минуты», or nothing."""
    minutes = round(verdict.present_s / 60)
    if minutes:
        return ngettext("%(count)s минута", "%(count)s минуты", minutes) % {"count": minutes}
    return str(_("меньше минуты")) if verdict.present_s > 0 else ""
