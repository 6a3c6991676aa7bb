"""Verdicts, reasons and rules as texts for people."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from efir.attendance.evidence import BroadcastTimeline
from efir.attendance.intervals import Span
from efir.attendance.models import UnknownReason, Verdict, VerdictReason
from efir.attendance.rules import Rule, VerdictResult, end_gap_s

# If an admin decided, a shorter gap at the end does not count as leaving: it may be a reconnect.
SHORT_GAP_S = 60


def verdict_label(verdict: Verdict | VerdictResult) -> str:
    """Say whether the lead attended, or that the verdict waits for a decision."""
    if verdict.attended is None:
        return str(_("ждёт решения"))
    return str(_("участие засчитано")) if verdict.attended else str(_("участие не засчитано"))


def reason_label(verdict: Verdict) -> str:
    """Return the label of the reason, and of the unknown reason if the verdict is held."""
    reason = VerdictReason(verdict.reason).label if verdict.reason in VerdictReason else verdict.reason
    unknown = unknown_label(verdict)
    return f"{reason}: {unknown}" if unknown and verdict.attended is None else str(reason)


def unknown_label(verdict: Verdict) -> str:
    """Return the label of the unknown reason, or an empty string."""
    unknown = verdict.unknown_reason
    return str(UnknownReason(unknown).label) if unknown in UnknownReason else ""


def presence_label(verdict: Verdict) -> str:
    """Format how long the lead was present: «47 минут», «меньше минуты», or an empty string."""
    minutes = round(verdict.present_s / 60)
    if minutes:
        return ngettext("%(count)s минута", "%(count)s минуты", minutes) % {"count": minutes}
    return str(_("меньше минуты")) if verdict.present_s > 0 else ""


def watched_label(verdict: Verdict) -> str:
    """Format how much of the live time the lead watched: «12 минут из 60»; empty if watching was not recorded."""
    if verdict.watched_s is None or verdict.live_s is None:
        return ""
    # Round down to minutes, so that too little never looks like enough; half a second is measurement noise.
    count, live = int((verdict.watched_s + 0.5) // 60), max(1, round(verdict.live_s / 60))
    text = ngettext("%(count)s минута из %(live)s", "%(count)s минуты из %(live)s", count)
    return text % {"count": count, "live": live}


def time_label(verdict: Verdict) -> str:
    """Format how much the lead watched, or if that was not recorded, how long they were present; may be empty."""
    watched = watched_label(verdict)
    return gettext("просмотр: %(watched)s") % {"watched": watched} if watched else presence_label(verdict)


def format_seconds(seconds: float) -> str:
    """Format seconds in the genitive, as after «меньше»: «90 секунд»."""
    whole = round(seconds)
    return ngettext("%(count)s секунды", "%(count)s секунд", whole) % {"count": whole}


def rule_sentences(rule: Rule) -> list[str]:
    """Explain the rule and its parameters in sentences."""
    grace = format_seconds(rule.grace_s)
    if rule.min_watched:
        sentences = [
            gettext(
                "Просмотр — это когда нажато «Войти в эфир» и трансляция открыта на странице. "
                "Просто быть в комнате мало."
            ),
            gettext(
                "Участие засчитано, если просмотрено не меньше %(percent)s %% эфира и человек был до конца, то есть "
                "перед самым концом отсутствовал меньше %(grace)s (короткий обрыв связи — не уход)."
            )
            % {"percent": f"{rule.min_watched:g}", "grace": grace},
        ]
    else:
        sentences = [
            gettext(
                "На эфире — значит в комнате: страница открыта, и связь есть. Нажимать «Войти в эфир» не обязательно."
            ),
            gettext(
                "Участие засчитано, если перед концом эфира человек отсутствовал меньше %(grace)s: "
                "короткий обрыв связи — не уход."
            )
            % {"grace": grace},
        ]
    return [
        *sentences,
        gettext(
            "Считается только время эфира: паузы и время до начала не в счёт, две вкладки — один человек."
        ),
    ]


def explain(verdict: Verdict, timeline: BroadcastTimeline | None) -> str:
    """Explain the reason with the lead's own times: «последний раз в эфире в 19:40…»; may be empty."""
    if verdict.attended is None:
        return unknown_label(verdict)
    if verdict.reason == "decided_by_admin" and verdict.decided_by:
        return str(verdict.decided_by.name)
    if verdict.reason == "watched_too_little" and (percent := min_watched_of(verdict)):
        return gettext("нужно не меньше %(percent)s %% эфира") % {"percent": f"{percent:g}"}
    if verdict.reason == "left_early" and timeline:
        return left_label(verdict, timeline.live, timeline.zone)
    return ""


def left_label(verdict: Verdict, live: Sequence[Span], zone: ZoneInfo) -> str:
    """Say when the lead left and how much was still to come; empty if they stayed, or were not there."""
    spans = verdict.spans
    if verdict.reason not in ("left_early", "decided_by_admin") or not spans:
        return ""
    gap = end_gap_s(spans, live)
    if verdict.reason == "decided_by_admin" and gap < SHORT_GAP_S:
        return ""
    return gettext("последний раз в эфире в %(moment)s, до конца оставалось %(gap)s") % {
        "moment": f"{spans[-1][1].astimezone(zone):%H:%M}",
        "gap": format_duration(gap),
    }


def min_watched_of(verdict: Verdict) -> float:
    """Return the least share that had to be watched, in percent; 0 by the first rule, or if the rule is not known."""
    try:
        return Rule.parse(verdict.rule).min_watched
    except ValueError:
        return 0


def late_label(late: VerdictResult | None, timeline: BroadcastTimeline | None) -> str:
    """Describe the evidence that came after a verdict, and the verdict that it would give; empty if there is none."""
    if late is None or timeline is None:
        return ""
    reason = dict(VerdictReason.choices).get(late.reason, late.reason)
    values = {
        "times": ", ".join(map(timeline.format_span, late.intervals)) or "—",
        "verdict": f"{verdict_label(late)}, {reason}",
    }
    return gettext("Позже пришли отметки другого сервера. По ним в эфире: %(times)s; %(verdict)s.") % values


def format_duration(seconds: float) -> str:
    """Return a length in words, with the right plural."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return ngettext("%(count)s секунда", "%(count)s секунды", round(seconds)) % {"count": round(seconds)}
    return ngettext("%(count)s минута", "%(count)s минуты", minutes) % {"count": minutes}
