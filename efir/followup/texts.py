"""The texts of the messages: friendly, short, gender-neutral, in the recipient's language.

They are composed when sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext

from efir.accounts.language import in_language_of
from efir.attendance.labels import presence_label, watched_label
from efir.attendance.models import Verdict
from efir.attendance.report.call_brief import CallBrief, briefs_of, pressed_label, question_label
from efir.broadcast.recording_links import personal_url
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import OutgoingMessage, escape_line
from efir.webinars.absolute_urls import absolute_url

Button = tuple[str, str]

# Together far below Telegram's limit of 4096 UTF-16 units, of which a character has two at most.
TITLE_LENGTH = 300
NAME_LENGTH = 150
QUESTION_LENGTH = 300
MAX_QUESTIONS = 3


def partner_attendance(message: OutboxMessage) -> OutgoingMessage:
    """Compose the message to the inviter about one lead, a brief for the call.

    It has the webinar, the result and its reason, the minutes watched and live, when the lead left, whether they
    pressed the call-to-action, and their unanswered questions.
    """
    verdict = _verdict(message)
    with in_language_of(message.person):
        brief = briefs_of([verdict])[verdict.pk]
        lines = [
            gettext("Вебинар «%(title)s» завершён.") % _names(message),
            "",
            gettext("Кандидат: <b>%(lead)s</b>") % _names(message),
            gettext("Итог: %(outcome)s") % {"outcome": _outcome(verdict)},
            *_minutes(verdict),
            *([gettext("Выход: %(left)s") % {"left": brief.left}] if brief.left else []),
            *_sentence(pressed_label(brief)),
            *questions(brief, MAX_QUESTIONS, QUESTION_LENGTH),
            "",
            advice(bool(verdict.attended), has_questions=bool(brief.questions)),
        ]
        button = (gettext("Контакты кандидата"), absolute_url(f"/account/candidates/{message.lead_id}/"))
    return OutgoingMessage("\n".join(lines), [button])


def candidate_followup(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Thank the lead and name the next step, or say that we missed them; include the recording if it is due.

    The message says how much a lead watched, because that explains why the participation does not count.
    """
    message, *carried = messages
    verdict = _verdict(message)
    with in_language_of(message.person):
        paragraphs = [_greeting(verdict) % _names(message)]
        if verdict.watched_s and not verdict.attended:
            paragraphs += _minutes(verdict)
        buttons = []
        if carried:
            paragraphs.append(gettext("Запись уже готова: её можно посмотреть в любое удобное время."))
            buttons.append(_recording_button(message))
        elif not verdict.attended:
            paragraphs.append(gettext("Запись вебинара придёт сюда, как только появится."))
        paragraphs.append(_next_step(bool(verdict.attended)))
        buttons.append((gettext("Контакты для связи"), absolute_url("/account/contacts/")))
    return OutgoingMessage("\n\n".join(paragraphs), buttons)


def candidate_recording(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Give a lead who did not attend the recording, as a button with its address."""
    (message,) = messages
    with in_language_of(message.person):
        text = gettext(
            "%(name)s, запись вебинара «%(title)s» готова. Её можно посмотреть в любое удобное время."
        ) % _names(message)
        return OutgoingMessage(text, [_recording_button(message)])


def _verdict(message: OutboxMessage) -> Verdict:
    verdicts = Verdict.objects.select_related("webinar")
    return verdicts.get(webinar_id=message.webinar_id, lead_id=message.lead_id)


def _outcome(verdict: Verdict) -> str:
    if verdict.reason == "decided_by_admin":
        if verdict.attended:
            return gettext("участие засчитано ✅ (решение администратора)")
        return gettext("участие не засчитано (решение администратора)")
    outcomes = {
        "stayed_to_end": gettext("на эфире до самого конца ✅"),
        "watched_too_little": gettext("до конца в комнате, но просмотрено слишком мало"),
        "not_watched": gettext("до конца в комнате, но без просмотра эфира"),
        "left_early": gettext("выход из эфира раньше времени"),
        "no_show": gettext("место было забронировано, но входа в эфир не было"),
    }
    return outcomes[verdict.reason]


def _minutes(verdict: Verdict) -> list[str]:
    if watched := watched_label(verdict):
        return [gettext("Просмотр: %(watched)s") % {"watched": watched}]
    if present := presence_label(verdict):
        return [gettext("В эфире: %(present)s") % {"present": present}]
    return []


def _sentence(text: str) -> list[str]:
    return [text[0].upper() + text[1:]] if text else []


def questions(brief: CallBrief, most: int, length: int) -> list[str]:
    """Return a line for each of the first `most` questions that nobody answered, cut to `length` characters."""
    lines = [
        question_label(question, escape_line(question.text, length)) for question in brief.questions[:most]
    ]
    if more := len(brief.questions) - len(lines):
        lines.append(gettext("и ещё вопросов: %(count)d") % {"count": more})
    return lines


def advice(attended: bool, *, has_questions: bool = False) -> str:
    """Return advice for the inviter of somebody who did or did not attend, or has asked a question."""
    if has_questions:
        return gettext("Начните разговор с ответа: на эфире его не было.")
    if attended:
        return gettext("Самое время связаться, пока впечатления свежи.")
    return gettext("Хороший повод написать и спросить, как дела.")


def _greeting(verdict: Verdict) -> str:
    if verdict.attended:
        return gettext("%(name)s, спасибо, что были с нами на вебинаре «%(title)s»!")
    if verdict.reason in ("watched_too_little", "not_watched"):
        return gettext("%(name)s, жаль, что не получилось посмотреть вебинар «%(title)s» целиком.")
    if verdict.reason == "left_early":
        return gettext("%(name)s, жаль, что не получилось остаться до конца вебинара «%(title)s».")
    return gettext("%(name)s, жаль, что нам не удалось встретиться на вебинаре «%(title)s».")


def _next_step(attended: bool) -> str:
    if attended:
        return gettext(
            "Следующий шаг — короткий разговор: вам ответят на вопросы и подскажут, с чего начать."
        )
    return gettext("Если остались вопросы, напишите: вам ответят и подскажут, когда следующий эфир.")


def _recording_button(message: OutboxMessage) -> Button:
    return gettext("Смотреть запись"), personal_url(message.webinar, message.person)


def _names(message: OutboxMessage) -> dict[str, str]:
    return {
        "lead": escape_line(message.lead.name, NAME_LENGTH),
        "name": escape_line(message.person.name, NAME_LENGTH),
        "title": escape_line(message.webinar.title, TITLE_LENGTH),
    }
