"""The message to an inviter: about one lead in full, about many as a list."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import translation
from django.utils.translation import gettext

from efir.attendance.labels import reason_label, time_label
from efir.attendance.models import Classification, Verdict
from efir.followup import texts
from efir.followup.texts import NAME_LENGTH, TITLE_LENGTH
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import BatchPolicy, OutgoingMessage, escape_line
from efir.webinars.absolute_urls import absolute_url

# Up to so many verdicts still go one by one, each with a button to the lead's contacts.
MAX_SINGLE = 5


def webinars_in_progress() -> QuerySet[Classification, int]:
    """Return the webinars that are being classified: more verdicts are to come."""
    return Classification.objects.filter(done_at=None).values_list("webinar_id", flat=True)


def rank_for_calling(messages: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """Order as `sort_for_calling` does, but names by the database's collation."""
    verdict = Verdict.objects.filter(webinar_id=OuterRef("webinar_id"), lead_id=OuterRef("lead_id"))
    return messages.order_by(
        Subquery(verdict.values("attended")[:1]).desc(nulls_last=True),
        Subquery(verdict.values("present_s")[:1]).desc(nulls_last=True),
        "lead__search_name",
        "pk",
    )


def sort_for_calling(messages: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    """Sort by whom to call first: leads who attended, then those who were there the longest."""
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


def partner_attendance(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Tell the inviter about these leads: how many attended, then a line for each."""
    first = messages[0]
    if len(messages) == 1:
        return texts.partner_attendance(first)
    found = Verdict.objects.defer("intervals", "watched", "watching_unseen").filter(
        webinar_id=first.webinar_id, lead_id__in=[message.lead_id for message in messages]
    )
    verdicts = {verdict.lead_id: verdict for verdict in found}
    has_attended = any(verdict.attended for verdict in verdicts.values())
    with translation.override(settings.LANGUAGE_CODE):
        lines = [
            gettext("Вебинар «%(title)s» завершён.")
            % {"title": escape_line(first.webinar.title, TITLE_LENGTH)},
            *_counts(first, len(messages)),
            "",
            *[_line(message, verdicts[message.lead_id]) for message in messages],
            "",
            gettext("Начать стоит с тех, кто отмечен ✅: впечатления ещё свежи.")
            if has_attended
            else texts.advice(attended=False),
        ]
        # The page shows everybody again once this webinar is no longer the last.
        begin_with = "attended" if has_attended else "absent"
        button = (gettext("Открыть список"), absolute_url(f"/account/?show={begin_with}#candidates"))
    return OutgoingMessage("\n".join(lines), [button])


def _counts(first: OutboxMessage, listed: int) -> list[str]:
    """Count the leads of the whole batch, and say so if this message lists only some of them."""
    batch = OutboxMessage.objects.filter(
        person_id=first.person_id, webinar_id=first.webinar_id, kind=first.kind, batch=first.batch
    )
    verdicts = Verdict.objects.filter(webinar_id=first.webinar_id, lead_id__in=batch.values("lead_id"))
    counts = verdicts.aggregate(total=Count("pk"), attended=Count("pk", filter=Q(attended=True)))
    attended, total = counts["attended"], counts["total"]
    lines = [
        gettext("Ваши кандидаты: участие засчитано — %(attended)d, не засчитано — %(absent)d.")
        % {"attended": attended, "absent": total - attended}
    ]
    if listed < total:
        lines.append(
            gettext("В этом сообщении: %(listed)d из %(total)d.") % {"listed": listed, "total": total}
        )
    return lines


def _line(message: OutboxMessage, verdict: Verdict) -> str:
    name = escape_line(message.lead.name, NAME_LENGTH)
    outcome = ", ".join(filter(None, [reason_label(verdict), time_label(verdict)]))
    return f"✅ <b>{name}</b> — {outcome}" if verdict.attended else f"• {name} — {outcome}"


BATCHING = BatchPolicy(MAX_SINGLE, webinars_in_progress, rank_for_calling, sort_for_calling)
