"""Refusals before Django: one sentence of plain text in the visitor's language."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, override

from efir.lib.asgi import Headers, Scope, Send, cookies_of, header_of, send_response
from efir.web.locale import language_of
from efir.web.security_headers import SECURITY_HEADERS

SENTENCES = {
    400: gettext_lazy("Этот запрос не прочитать: формы принимаются только в кодировке UTF-8."),
    408: gettext_lazy("Запрос приходил слишком медленно. Проверьте связь и отправьте ещё раз."),
    413: gettext_lazy("Это слишком много: файл может быть до 10 МБ. Вернитесь назад и выберите поменьше."),
    431: gettext_lazy(
        "Браузер прислал слишком много служебных данных. Удалите файлы cookie этого сайта и обновите страницу."
    ),
    503: gettext_lazy("Сейчас здесь слишком много людей. Попробуйте ещё раз через несколько секунд."),
    429: gettext_lazy("Сейчас входит очень много людей сразу. Подождите немного и обновите страницу."),
}


async def refuse(
    scope: Scope, send: Send, status: int, headers: Headers = (), sentence: Promise | None = None
) -> None:
    """Answer with `sentence`, or with that of the status, which says what to do, and with more headers."""
    with override(language_of(cookies_of(scope), header_of(scope, b"accept-language"))):
        body = str(sentence or SENTENCES[status]).encode()
    own = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *SECURITY_HEADERS,
    ]
    await send_response(send, status, [*own, *headers], body)
