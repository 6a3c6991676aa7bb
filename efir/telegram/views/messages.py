"""Actions on a webinar's messages: send failed ones again, resolve uncertain ones."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from efir.accounts.capabilities import Capability
from efir.accounts.sessions import request_context
from efir.hooks.actions import ActionRefused, Code
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox import resend
from efir.webinars.endpoint import ActionResult, action_endpoint, parse_bool
from efir.webinars.models import Webinar


@action_endpoint(Capability.RETRY_DELIVERY)
def retry_failed(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Queue all failed messages of the webinar again."""
    if not Webinar.objects.filter(pk=webinar_id).exists():
        raise ActionRefused(Code.NOT_FOUND, "no such webinar")
    failed = OutboxMessage.objects.filter(webinar_id=webinar_id, state=MessageState.FAILED)
    count = resend.retry(failed, request_context(request))
    sentence = ngettext(
        "Снова в очереди: %(count)d сообщение.", "Снова в очереди: %(count)d сообщения.", count
    ) % {"count": count}
    if not count:
        sentence = _("Повторять нечего: недоставленных сообщений нет.")
    return ActionResult(sentence, {"webinar_id": webinar_id, "retried": count}, suffix=_back_to(request))


@action_endpoint(Capability.RETRY_DELIVERY)
def retry_one(request: HttpRequest, webinar_id: int, message_id: int) -> ActionResult:
    """Queue one failed message again."""
    failed = _message(webinar_id, message_id).filter(state=MessageState.FAILED)
    count = resend.retry(failed, request_context(request))
    return _result(request, webinar_id, message_id, _("Сообщение снова в очереди.") if count else None)


@action_endpoint(Capability.RETRY_DELIVERY)
def resolve(request: HttpRequest, webinar_id: int, message_id: int) -> ActionResult:
    """Resolve an uncertain message: it arrived (`delivered`), or it is queued again."""
    delivered = parse_bool(request, "delivered")
    count = resend.resolve(_message(webinar_id, message_id), delivered, request_context(request))
    done = _("Записано: сообщение дошло.") if delivered else _("Сообщение снова в очереди.")
    return _result(request, webinar_id, message_id, done if count else None)


def _message(webinar_id: int, message_id: int) -> QuerySet[OutboxMessage]:
    """Return the message as a queryset of one row. Raises ActionRefused if the webinar has no such message."""
    message = OutboxMessage.objects.filter(pk=message_id, webinar_id=webinar_id)
    if not message.exists():
        raise ActionRefused(Code.NOT_FOUND, "no such message")
    return message


def _result(request: HttpRequest, webinar_id: int, message_id: int, done: str | None) -> ActionResult:
    sentence = done or _("С этим сообщением уже разобрались: его состояние — в таблице.")
    body = {"webinar_id": webinar_id, "message_id": message_id, "changed": bool(done)}
    return ActionResult(sentence, body, suffix=_back_to(request))


def _back_to(request: HttpRequest) -> str:
    # The same page of the list, with the same filter.
    query = request.GET.urlencode()
    return f"?{query}#messages" if query else "#messages"
