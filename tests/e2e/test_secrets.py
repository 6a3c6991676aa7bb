"""Secrets do not appear in logs at DEBUG, errors, pages, listings or the database, even after failures."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, ResponseKind, running
from tests.support.ports import free_port
from tests.support.proxy import PASSWORD, USER, Proxy, proxying
from tests.support.site import EFIR, Site, Visitor, eventually, fresh_database

pytestmark = pytest.mark.one_database

KEY = "AAsecret-of-the_bot"
TOKEN = f"42:{KEY}"
OTHER_PASSWORD = "not-this-proxys-password"
SECRETS = [
    KEY,
    quote(TOKEN, safe=""),
    PASSWORD,
    OTHER_PASSWORD,
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    base64.b64encode(f"{USER}:{OTHER_PASSWORD}".encode()).decode(),
]
# What the far end answers to each of the messages, which have a chat each.
ANSWERS: list[dict[str, object]] = [
    {"official": "unauthorized"},
    {"official": "wait"},
    {"official": "blocked"},
    {"official": "cannot_parse"},
    {"official": "server_error"},
    {"status": 400, "description": f"Bad Request: see https://api.telegram.org/bot{TOKEN}/sendMessage"},
    {"kind": ResponseKind.HTML},
    {"kind": ResponseKind.MALFORMED},
    {"kind": ResponseKind.FOREIGN},
    {"kind": ResponseKind.CUT},
    {"kind": ResponseKind.DROP},
    {"kind": ResponseKind.HANG},
]
WAITS = [
    "efir.telegram.dispatcher.sender:VERIFY_AGAIN_S=0.1",
    "efir.telegram.dispatcher.sender:RECOVER_S=0.1",
    "efir.telegram.dispatcher.poller:TROUBLE_S=0.1",
    "efir.telegram.dispatcher.poller:RECOVER_S=0.1",
    "efir.telegram.outbox.completion:AFTER_UNKNOWN_S=0.1",
    "efir.telegram.bot.client:READ_S=2",
]
PAGES = ["/webinars/", "/account/", "/account/contacts/", "/admin_webinar/", "/admin_webinar/1/", "/healthz"]


@dataclass
class Witness:
    """An installation, with every text of its responses."""

    site: Site
    telegram: FakeBotApi
    proxy: Proxy
    texts: list[str] = field(default_factory=list)

    def serve(self, **environ: str) -> None:
        """Restart it with this environment."""
        self.site.stop()
        self.site.environ |= environ
        self.site.start("python", "-m", "tests.support.time_warp", *WAITS, "--", "serve", wait=False)

    def until_health(self, state: str) -> None:
        eventually(lambda: self._health().get("telegram") == state)

    def until_log(self, event: str, times: int = 1) -> None:
        """Wait until `event` is logged `times` more times."""
        before = self.site.log.read_text().count(f'"{event}"')
        eventually(lambda: self.site.log.read_text().count(f'"{event}"') >= before + times)

    def open_everything(self) -> None:
        """Open every page as every person, and ask for a link to the bot."""
        for login in ("admin", "speaker", "partner", ""):
            visitor = Visitor(self.site, login)
            answers = [visitor.get(page) for page in PAGES]
            answers += [
                visitor.post("/account/telegram/link", headers={"Accept": accept})
                for accept in ("application/json", "text/html")
            ]
            self.texts += [f"{answer.headers} {answer.text}" for answer in answers]
        for listing in ("outbox", "journal"):
            done = self.site.run(listing)
            self.texts += [done.stdout, done.stderr]

    def _health(self) -> dict[str, str]:
        try:
            answer = httpx.get(f"{self.site.url}/healthz")
        except httpx.TransportError:
            return {}
        self.texts.append(f"{answer.headers} {answer.text}")
        assert answer.headers["content-type"] == "application/json", answer.text
        return dict(answer.json())


@pytest.fixture
def witness(tmp_path) -> Iterator[Witness]:
    telegram = FakeBotApi(tokens={TOKEN})
    with running(telegram) as address, proxying() as proxy, fresh_database() as url, ExitStack() as stack:
        site = Site(
            tmp_path,
            url,
            EFIR_LOG_LEVEL="DEBUG",
            EFIR_TELEGRAM_API=address,
            EFIR_TELEGRAM_TOKEN=TOKEN,
            EFIR_TELEGRAM_PROXY=proxy.address(),
        )
        stack.callback(site.stop)
        for login in ("admin", "speaker", "partner"):
            site.add(login, login)
        assert (
            site.start("python", "-m", "tests.support.backlog", str(len(ANSWERS) + 1), wait=False).wait(60)
            == 0
        )
        yield Witness(site, telegram, proxy)


def test_no_secret_is_shown_when_things_go_wrong(witness):
    with witness.site.database() as connection:
        query = "SELECT chat_id FROM telegram_telegramchat ORDER BY chat_id"
        chats = [chat for (chat,) in connection.execute(query).fetchall()]
    for chat, answer in zip(chats, [*ANSWERS, None], strict=True):
        witness.telegram.people.add(chat, "Кто-то")
        if answer:
            witness.telegram.respond_with(method="sendMessage", chat_id=chat, times=2, **answer)
    # Through the proxy, with every sort of answer.
    witness.serve()
    moving = "telegram_outboxmessage WHERE state IN ('queued', 'sending')"
    eventually(lambda: witness.site.count("telegram_dispatcherstate") and not witness.site.count(moving))
    witness.until_health("ok")
    witness.open_everything()
    assert len(witness.telegram.sent) >= 1
    assert {how for how, _ in witness.proxy.through} == {"forward"}
    # A token that is not accepted.
    witness.telegram.respond_with(official="unauthorized", times=None)
    witness.serve()
    witness.until_health("bot_rejected")
    witness.open_everything()
    # A proxy that does not know us, one that is away, and no proxy with nobody behind the address.
    nobody = f"127.0.0.1:{free_port()}"
    for environ in (
        {"EFIR_TELEGRAM_PROXY": witness.proxy.address(password=OTHER_PASSWORD)},
        {"EFIR_TELEGRAM_PROXY": f"socks5://{USER}:{PASSWORD}@{nobody}"},
        {"EFIR_TELEGRAM_PROXY": "", "EFIR_TELEGRAM_API": f"http://{nobody}"},
    ):
        witness.serve(**environ)
        witness.until_log("bot_not_reached", times=2)
        witness.open_everything()
    witness.site.stop()
    witness.texts += refusals_of_wrong_secrets(witness.site)
    log = witness.site.log.read_text()
    assert '"level": "debug"' in log
    for event in ("bot_rejected", "rate_limited", "message_settled", "bot_not_reached", "updates_failed"):
        assert f'"{event}"' in log, event
    assert witness.proxy.refused > 0
    for secret in SECRETS:
        assert secret not in log
        assert [text for text in witness.texts if secret in text] == []
        assert files_with(secret, witness.site.data_dir) == []


def refusals_of_wrong_secrets(site: Site) -> list[str]:
    """Return what `efir serve` says about malformed secrets."""
    wrong = {
        "EFIR_TELEGRAM_TOKEN": f"42:{KEY}!",
        "EFIR_TELEGRAM_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:port",
    }
    texts = []
    for name, value in wrong.items():
        environ = site.environ | {name: value}
        done = subprocess.run([EFIR, "serve"], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, name in done.stderr) == (2, True)
        texts += [done.stdout, done.stderr]
    return texts


def files_with(secret: str, directory: Path) -> list[Path]:
    """Return the files of the installation, the database among them, that contain the secret."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]
