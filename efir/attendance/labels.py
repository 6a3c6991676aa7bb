"""What a verdict says to a person."""

from __future__ import annotations

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from efir.attendance.intervals import Span
from efir.attendance.models import Verdict
from efir.attendance.rules import Rule, end_gap_s
from efir.attendance.timeline import Timeline

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
    "clock_moved": _("часы сервера перевели назад во время эфира"),
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


def seconds_words(seconds: float) -> str:
    """«90 секунд»: after «последние», «меньше» and «через»."""
    whole = round(seconds)
    return ngettext("%(count)s секунды", "%(count)s секунд", whole) % {"count": whole}


def rule_words(rule: Rule) -> list[str]:
    """The rule and the values it used, in sentences."""
    return [
        gettext(
            "На эфире — значит в комнате: страница открыта, и связь есть. Нажато ли «Войти в эфир», системе не видно."
        ),
        gettext(
            "Участие засчитано, если к концу эфира человека не было меньше %(grace)s: короткий обрыв связи — не уход."
        )
        % {"grace": seconds_words(rule.grace_s)},
        gettext(
            "Считается только время эфира: паузы и время до начала не в счёт, две вкладки — один человек."
        ),
    ]


def explain(verdict: Verdict, timeline: Timeline | None) -> str:
    """The reason with this person's own times: «последний раз в эфире в 19:40, за 25 минут до конца»."""
    if verdict.attended is None:
        return str(WHY_UNKNOWN.get(verdict.why_unknown, ""))
    if verdict.reason == "decided_by_admin" and verdict.decided_by:
        return str(verdict.decided_by.name)
    spans = spans_of(verdict)
    if verdict.reason == "left_early" and spans and timeline:
        gap = _length_words(end_gap_s(spans, timeline.live))
        moment = timeline.hours(spans[-1][1])
        return gettext("последний раз в эфире в %(moment)s, до конца оставалось %(gap)s") % {
            "moment": moment,
            "gap": gap,
        }
    return ""


def _length_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 120:
        return ngettext("%(count)s секунда", "%(count)s секунды", round(seconds)) % {"count": round(seconds)}
    return ngettext("%(count)s минута", "%(count)s минуты", minutes) % {"count": minutes}


def spans_of(verdict: Verdict) -> list[Span]:
    """The stretches of presence as stored with the verdict."""
    return [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in verdict.intervals]
