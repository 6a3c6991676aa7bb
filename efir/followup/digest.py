"""The message to an inviter: about one lead in full, about many as a list."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils import translation
from django.utils.translation import gettext

from efir.attendance.labels import reason_label, time_label
from efir.attendance.models import Classification, Verdict
from efir.attendance.report.call_brief import CallBrief, asked, briefs_of, pressed, pressed_label
from efir.followup import texts
from efir.followup.texts import NAME_LENGTH, TITLE_LENGTH
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import BatchPolicy, OutgoingMessage, escape_line
from efir.webinars.absolute_urls import absolute_url

# Of each lead of a list, so that it stays readable; the candidate's page has them whole.
MAX_QUESTIONS = 2
QUESTION_LENGTH = 100
# Up to so many verdicts still go one by one, each with a button to the lead's contacts.
MAX_SINGLE = 5


def webinars_in_progress() -> QuerySet[Classification, int]:
    """Return the webinars that are being classified: more verdicts are to come."""
    return Classification.objects.filter(done_at=None).values_list("webinar_id", flat=True)


def rank_for_calling(messages: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """Order as `sort_for_calling` does, but names by the database's collation."""
    webinar, lead = OuterRef("webinar_id"), OuterRef("lead_id")
    verdict = Verdict.objects.filter(webinar_id=OuterRef("webinar_id"), lead_id=OuterRef("lead_id"))
    return messages.order_by(
        asked(webinar, lead).desc(),
        pressed(webinar, lead).desc(),
        Subquery(verdict.values("attended")[:1]).desc(nulls_last=True),
        Subquery(verdict.values("present_s")[:1]).desc(nulls_last=True),
        "lead__search_name",
        "pk",
    )


def sort_for_calling(messages: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    """Sort by whom to call first: who asked and got no answer, who pressed the button, who stayed, and how long."""
    webinar_id = messages[0].webinar_id
    verdicts = Verdict.objects.filter(
        webinar_id=webinar_id, lead_id__in=[message.lead_id for message in messages]
    ).annotate(asked=asked(webinar_id, OuterRef("lead_id")), pressed=pressed(webinar_id, OuterRef("lead_id")))
    rows = verdicts.values_list("lead_id", "asked", "pressed", "attended", "present_s")
    ranks = {
        lead_id: (not has_asked, not has_pressed, not attended, -present_s)
        for lead_id, has_asked, has_pressed, attended, present_s in rows
    }
    return sorted(
        messages, key=lambda message: (*ranks[message.lead_id], message.lead.name.casefold(), message.pk)
    )


def partner_attendance(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Tell the inviter about these leads: how many attended, then a line for each."""
    first = messages[0]
    if len(messages) == 1:
        return texts.partner_attendance(first)
    found = (
        Verdict.objects.select_related("webinar")
        .defer("watched", "watching_unseen")
        .filter(webinar_id=first.webinar_id, lead_id__in=[message.lead_id for message in messages])
    )
    verdicts = {verdict.lead_id: verdict for verdict in found}
    briefs = briefs_of(verdicts.values())
    has_attended = any(verdict.attended for verdict in verdicts.values())
    with translation.override(settings.LANGUAGE_CODE):
        lines = [
            gettext("Вебинар «%(title)s» завершён.")
            % {"title": escape_line(first.webinar.title, TITLE_LENGTH)},
            *_counts(first, len(messages)),
            gettext(
                "Список — в порядке, в котором лучше звонить: кто спросил и не получил ответа, кто нажал кнопку связи, "
                "кто был до конца ✅."
            ),
            "",
            *[
                line
                for message in messages
                for line in _lines(message, verdicts[message.lead_id], briefs[verdicts[message.lead_id].pk])
            ],
            "",
            texts.advice(has_attended),
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


def _lines(message: OutboxMessage, verdict: Verdict, brief: CallBrief) -> list[str]:
    name = escape_line(message.lead.name, NAME_LENGTH)
    parts = [reason_label(verdict), time_label(verdict)]
    if brief.pressed:
        parts.append(pressed_label(brief))
    outcome = ", ".join(filter(None, parts))
    about = f"✅ <b>{name}</b> — {outcome}" if verdict.attended else f"• {name} — {outcome}"
    return [about, *texts.questions(brief, MAX_QUESTIONS, QUESTION_LENGTH)]


BATCHING = BatchPolicy(MAX_SINGLE, webinars_in_progress, rank_for_calling, sort_for_calling)
