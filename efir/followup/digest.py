"""The message to an inviter: about one lead in full, about many as a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext

from efir.accounts.language import language_for
from efir.attendance.labels import reason_label, time_label
from efir.attendance.models import Verdict, has_verdicts_to_come
from efir.attendance.report.call_brief import CallBrief, asked, briefs_of, pressed, pressed_label
from efir.followup import texts
from efir.followup.texts import NAME_LENGTH, TITLE_LENGTH
from efir.telegram.models import MessageBatch, OutboxMessage
from efir.telegram.outbox.message_types import BatchPolicy, OutgoingMessage, escape_line
from efir.webinars.absolute_urls import absolute_url

# Limits for each lead of a list, so that it stays readable; the candidate's page has the complete questions.
MAX_QUESTIONS = 2
QUESTION_LENGTH = 100
# Up to this many verdicts are sent separately, each with a button to the lead's contacts.
MAX_SINGLE = 5
MORE_THAN_PRESENT_S = 1e8  # seconds: three years


def has_more_to_come() -> Exists:
    """Return a condition on messages: their person will get more verdicts of the webinar."""
    return has_verdicts_to_come("webinar_id", "person_id")


def ranks_for_calling(webinar_id: int, lead_ids: Collection[int]) -> dict[int, float]:
    """Return lead id → rank, the lowest to be called first.

    First the leads who asked and got no answer, then those who pressed the button, then those who attended. Among
    equals the one who was there the longest is first.
    """
    lead = OuterRef("lead_id")
    verdicts = Verdict.objects.filter(webinar_id=webinar_id, lead_id__in=lead_ids).annotate(
        asked=asked(webinar_id, lead), pressed=pressed(webinar_id, lead)
    )
    rows = verdicts.values_list("lead_id", "asked", "pressed", "attended", "present_s")
    return {
        lead_id: 0.0 - present_s - MORE_THAN_PRESENT_S * (4 * has_asked + 2 * has_pressed + bool(attended))
        for lead_id, has_asked, has_pressed, attended, present_s in rows
    }


def sort_for_calling(messages: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    """Sort by whom to call first, then by name."""
    ranks = ranks_for_calling(messages[0].webinar_id, [message.lead_id for message in messages])
    return sorted(
        messages, key=lambda message: (ranks[message.lead_id], message.lead.name.casefold(), message.pk)
    )


def summarize(messages: QuerySet[OutboxMessage]) -> dict[str, int]:
    """Count the verdicts that these messages tell about."""
    verdict = Verdict.objects.filter(webinar_id=OuterRef("webinar_id"), lead_id=OuterRef("lead_id"))
    return messages.aggregate(
        total=Count("pk"), attended=Count("pk", filter=Q(Exists(verdict.filter(attended=True))))
    )


def partner_attendance(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Compose the message to the inviter about these leads: how many attended, then a line for each."""
    return prepare(messages)(len(messages))


def prepare(messages: Sequence[OutboxMessage]) -> Callable[[int], OutgoingMessage]:
    """Return a function that composes the message about the first so many of these leads.

    It makes no query, unless it is asked for a single one.
    """
    first = messages[0]
    if len(messages) == 1:
        return lambda _: texts.partner_attendance(first)
    found = Verdict.objects.defer("watched", "watching_unseen").filter(
        webinar_id=first.webinar_id, lead_id__in=[message.lead_id for message in messages]
    )
    verdicts = {verdict.lead_id: verdict for verdict in found}
    for verdict in verdicts.values():
        verdict.webinar = first.webinar
    counts = _counts(first)
    language = language_for(first.person)
    with translation.override(language):
        briefs = briefs_of(verdicts.values())
        entries = [
            _lines(message, verdicts[message.lead_id], briefs[verdicts[message.lead_id].pk])
            for message in messages
        ]
    attended = [bool(verdicts[message.lead_id].attended) for message in messages]

    def composed(count: int) -> OutgoingMessage:
        if count == 1:
            return texts.partner_attendance(first)
        with translation.override(language):
            return _list(first, counts, entries[:count], any(attended[:count]))

    return composed


def _list(
    first: OutboxMessage, counts: Mapping[str, int], entries: Sequence[Sequence[str]], has_attended: bool
) -> OutgoingMessage:
    total, attended = counts["total"], counts["attended"]
    lines = [
        gettext("Вебинар «%(title)s» завершён.") % {"title": escape_line(first.webinar.title, TITLE_LENGTH)},
        gettext("Ваши кандидаты: участие засчитано — %(attended)d, не засчитано — %(absent)d.")
        % {"attended": attended, "absent": total - attended},
    ]
    if len(entries) < total:
        lines.append(
            gettext("В этом сообщении: %(listed)d из %(total)d.") % {"listed": len(entries), "total": total}
        )
    lines += [
        gettext(
            "Сверху те, кому лучше позвонить раньше: кто спросил и не получил ответа, кто нажал кнопку связи, "
            "чьё участие засчитано ✅."
        ),
        "",
        *chain.from_iterable(entries),
        "",
        texts.advice(has_attended),
    ]
    # Later, when this webinar is no longer the last one, the page shows all candidates.
    begin_with = "attended" if has_attended else "absent"
    button = (gettext("Открыть список"), absolute_url(f"/account/?show={begin_with}#candidates"))
    return OutgoingMessage("\n".join(lines), [button])


def _counts(first: OutboxMessage) -> Mapping[str, int]:
    """Count the leads of the whole batch."""
    if first.batch and (batch := MessageBatch.objects.filter(pk=first.batch).first()):
        return dict(batch.summary)
    same = {"person_id": first.person_id, "webinar_id": first.webinar_id, "kind": first.kind}
    return summarize(OutboxMessage.objects.filter(**same, batch=first.batch))


def _lines(message: OutboxMessage, verdict: Verdict, brief: CallBrief) -> list[str]:
    name = escape_line(message.lead.name, NAME_LENGTH)
    parts = [reason_label(verdict), time_label(verdict)]
    if brief.pressed:
        parts.append(pressed_label(brief))
    outcome = ", ".join(filter(None, parts))
    about = f"✅ <b>{name}</b> — {outcome}" if verdict.attended else f"• {name} — {outcome}"
    return [about, *texts.questions(brief, MAX_QUESTIONS, QUESTION_LENGTH)]


BATCHING = BatchPolicy(MAX_SINGLE, has_more_to_come, summarize, sort_for_calling, prepare)
