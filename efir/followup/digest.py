"""Few words for many verdicts: what an inviter gets instead of one message for each candidate."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext

from efir.attendance.labels import present_words, reason_words
from efir.attendance.models import Classification, Verdict
from efir.followup.formatting import NAME_LENGTH, TITLE_LENGTH, address, shown
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import BatchPolicy, OutgoingMessage

# So many verdicts still go one by one.
SINGLY = 5


def unfinished() -> QuerySet[Classification, int]:
    """The webinars that are being classified: more verdicts are to come."""
    return Classification.objects.filter(done_at=None).values_list("webinar_id", flat=True)


def arrange(messages: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    """In the order in which to call: who attended, then who was there the longest."""
    verdicts = Verdict.objects.filter(
        webinar_id=messages[0].webinar_id, lead_id__in=[message.lead_id for message in messages]
    )
    ranks = {
        lead_id: (not attended, -present_s)
        for lead_id, attended, present_s in verdicts.values_list("lead_id", "attended", "present_s")
    }
    return sorted(
        messages, key=lambda message: (*ranks[message.lead_id], message.lead.name.casefold(), message.pk)
    )


def compose(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Which webinar, how many attended, then a line for each candidate; perhaps one message of several."""
    first = messages[0]
    verdicts = _verdicts(messages)
    with translation.override(settings.LANGUAGE_CODE):
        lines = [
            gettext("Вебинар «%(title)s» завершён.") % {"title": shown(first.webinar.title, TITLE_LENGTH)},
            *_counts(first, len(messages)),
            "",
            *[_line(message, verdicts[message.lead_id]) for message in messages],
            "",
            _advice(any(verdict.attended for verdict in verdicts.values())),
        ]
        # Those with whom to begin; the page shows everybody once this webinar is no longer the last.
        begin_with = "attended" if any(verdict.attended for verdict in verdicts.values()) else "absent"
        button = (gettext("Открыть список"), address(f"/account/?show={begin_with}#candidates"))
    return OutgoingMessage("\n".join(lines), [button])


def _verdicts(messages: Sequence[OutboxMessage]) -> dict[int, Verdict]:
    found = Verdict.objects.defer("intervals").filter(
        webinar_id=messages[0].webinar_id, lead_id__in=[message.lead_id for message in messages]
    )
    return {verdict.lead_id: verdict for verdict in found}


def _counts(first: OutboxMessage, listed: int) -> list[str]:
    """Of everybody whom the messages are about, and whether this one tells of some of them only."""
    batch = OutboxMessage.objects.filter(
        person_id=first.person_id, webinar_id=first.webinar_id, kind=first.kind, batch=first.batch
    )
    verdicts = Verdict.objects.filter(webinar_id=first.webinar_id, lead_id__in=batch.values("lead_id"))
    outcomes = list(verdicts.values_list("attended", flat=True))
    attended = sum(bool(outcome) for outcome in outcomes)
    lines = [
        gettext("Ваши кандидаты: участие засчитано — %(attended)d, не засчитано — %(absent)d.")
        % {"attended": attended, "absent": len(outcomes) - attended}
    ]
    if listed < len(outcomes):
        lines.append(
            gettext("В этом сообщении: %(listed)d из %(total)d.") % {"listed": listed, "total": len(outcomes)}
        )
    return lines


def _line(message: OutboxMessage, verdict: Verdict) -> str:
    name = shown(message.lead.name, NAME_LENGTH)
    outcome = ", ".join(filter(None, [reason_words(verdict), present_words(verdict)]))
    return f"✅ <b>{name}</b> — {outcome}" if verdict.attended else f"• {name} — {outcome}"


def _advice(somebody_attended: bool) -> str:
    if somebody_attended:
        return gettext("Начать стоит с тех, кто отмечен ✅: впечатления ещё свежи.")
    return gettext("Хороший повод написать и спросить, как дела.")


GATHERING = BatchPolicy(SINGLY, unfinished, arrange)
