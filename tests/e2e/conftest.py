"""One running installation with a fake Bot API and the people of the reference scenarios, shared by the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.support.site import TOKEN, Site, Visitor, eventually, fresh_database

PLAYER = "https://www.youtube.com/embed/abc"


@pytest.fixture(scope="session")
def telegram() -> Iterator[tuple[FakeBotApi, str]]:
    """Run a fake Bot API that stores the messages sent to it."""
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    with running(fake_bot_api) as address:
        yield fake_bot_api, address


@pytest.fixture(scope="session")
def site(tmp_path_factory, telegram) -> Iterator[Site]:
    """`efir serve`, with a speaker, an admin and two partners."""
    with fresh_database() as url:
        site = Site(
            tmp_path_factory.mktemp("site"), url, EFIR_TELEGRAM_API=telegram[1], EFIR_TELEGRAM_TOKEN=TOKEN
        )
        try:
            site.start()
            for login, role in (
                ("speaker", "speaker"),
                ("admin", "admin"),
                ("partner", "partner"),
                ("partner2", "partner"),
            ):
                site.add(login, role)
            yield site
        finally:
            site.stop()


@pytest.fixture(scope="session")
def speaker(site) -> Visitor:
    return Visitor(site, "speaker")


@dataclass
class Cast:
    """Creates what a scenario needs through the web pages."""

    site: Site
    speaker: Visitor
    fake_bot_api: FakeBotApi
    number: int = 0

    def webinar(self, **fields: str) -> int:
        """Publish a webinar through the speaker's page and return its id."""
        self.number += 1
        starts_at = (datetime.now(ZoneInfo("Europe/Moscow")) + timedelta(minutes=10)).strftime(
            "%Y-%m-%dT%H:%M"
        )
        form = {
            "title": f"Вебинар {self.number}",
            "speaker_name": "Анна",
            "starts_at": starts_at,
            "time_zone": "Europe/Moscow",
            "length_min": "60",
            "player_url": PLAYER,
        } | fields
        answer = self.speaker.post("/admin_webinar/new/", **form)
        assert answer.status_code == 302, answer.text
        webinar_id = int(answer.headers["location"].strip("/").split("/")[-1])
        answer = self.speaker.post(f"/admin_webinar/{webinar_id}/publish")
        assert answer.status_code == 200, answer.text
        return webinar_id

    def candidate(
        self, inviter: str = "partner", *, webinar: int | None = None, linked: bool = True
    ) -> tuple[str, Visitor]:
        """Sign a candidate up by a partner's link; return their login and their browser."""
        self.number += 1
        login = f"candidate{self.number}@example.org"
        visitor = Visitor(self.site)
        visitor.get(f"/signup/?ref={self.ref(inviter)}")
        form = {
            "name": f"Кандидат {self.number}",
            "username": login,
            "password": "vecherniy-efir",
            "consent": "on",
        }
        answer = visitor.post("/signup/", **form, **({"webinar": str(webinar)} if webinar else {}))
        assert answer.status_code == 302, answer.text
        if linked:
            self.link(visitor, 5000 + self.number)
        return login, visitor

    def ref(self, login: str) -> str:
        """Return a partner's referral code, read from their own page."""
        page = Visitor(self.site, login).get("/account/").text
        match = re.search(r"/signup/\?ref=([a-z0-9]+)", page)
        assert match, page
        return match[1]

    def link(self, visitor: Visitor, chat_id: int) -> None:
        """Press Start in Telegram with the one-time link of the account page."""
        answer = visitor.post("/account/telegram/link", headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        url: str = answer.json()["url"]
        assert url.startswith("https://t.me/efir_demo_bot?start=")
        before = len(self.received(chat_id))
        self.fake_bot_api.people.add(chat_id, "Кто-то", chat=False)
        self.fake_bot_api.people.start(chat_id, url.partition("start=")[2])
        eventually(lambda: len(self.received(chat_id)) > before)  # the bot confirms

    def received(self, chat_id: int) -> list[dict[str, Any]]:
        """Return the texts that the bot sent to this chat."""
        return [
            sent.message for sent in list(self.fake_bot_api.sent) if sent.message["chat"]["id"] == chat_id
        ]

    def settled(self, webinar_id: int, count: int) -> dict[tuple[str, str], str]:
        """Wait until the webinar has this many messages and none is in flight; return their states."""

        def are_settled() -> bool:
            states = self.site.states(webinar_id)
            return states.total() == count and not {"queued", "sending"} & set(states)

        eventually(are_settled)
        return self.site.outbox(webinar_id)


@pytest.fixture(scope="session")
def cast(site, speaker, telegram) -> Cast:
    cast = Cast(site, speaker, telegram[0])
    for number, login in enumerate(("partner", "partner2")):
        cast.link(Visitor(site, login), 900 + number)
    return cast
