"""Notices in the running system: a link for a new password, a test message."""

from __future__ import annotations

import time

from tests.support.site import Visitor, eventually

NEW = "совсем-новый-7"


def test_password_reset_arrives_in_the_chat(site, cast):
    login, _ = cast.candidate()
    chat_id = 5000 + cast.number
    before = len(cast.received(chat_id))
    visitor = Visitor(site)
    asked = time.monotonic()
    answer = visitor.post("/login/forgotten/", username=login)
    assert "Если такой аккаунт есть" in answer.text
    message = eventually(lambda: cast.received(chat_id)[before:])[0]
    assert time.monotonic() - asked < 10
    (((button,),),) = [message["reply_markup"]["inline_keyboard"]]
    path = button["url"].removeprefix(site.url)
    assert visitor.post(path, new_password1=NEW, new_password2=NEW).status_code == 302
    assert Visitor(site).log_in(login, NEW).status_code == 302
    token = path.rstrip("/").split("/")[-1]
    assert token not in site.log.read_text()
    assert len(cast.received(chat_id)) == before + 1
    assert site.count("telegram_chatnotice") == 0


def test_unknown_login_gets_no_message(site, cast):
    # Other webinars of this installation may still be sending their messages, so only links are counted.
    def links() -> list[str]:
        return [text for text in map(repr, cast.fake_bot_api.sent) if "/account/reset/" in text]

    before = links()
    visitor = Visitor(site)
    for login in ("nobody@example.org", cast.candidate(linked=False)[0]):
        assert "Если такой аккаунт есть" in visitor.post("/login/forgotten/", username=login).text
    eventually(lambda: site.count("telegram_chatnotice") == 0)
    assert links() == before


def test_test_message_arrives(site, cast):
    assert Visitor(site, "partner").post("/account/telegram/test").status_code == 202
    eventually(lambda: any("Проверка связи" in message["text"] for message in cast.received(900)))


def test_test_message_to_a_blocked_chat_shows_on_the_account_page(site, cast):
    _, visitor = cast.candidate()
    chat_id = 5000 + cast.number
    cast.fake_bot_api.respond_with(method="sendMessage", chat_id=chat_id, official="blocked")
    assert visitor.post("/account/telegram/test").status_code == 202
    eventually(lambda: "бот заблокирован в Telegram" in visitor.get("/account/").text)
