"""The state of a message after every response of the Bot API, for every kind of message, over real HTTP.

Each line of the table is one message with its own person and chat. One dispatcher sends them all, so that no response
to one of them may harm another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance.models import Verdict
from efir.fake_botapi import FakeBotApi, ResponseKind, running
from efir.fake_botapi.errors import OFFICIAL_ERRORS
from efir.lib import clock
from efir.telegram.bot import client, outcomes
from efir.telegram.dispatcher import sender
from efir.telegram.health import bot_health
from efir.telegram.models import Kind, MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import completion
from efir.telegram.outbox.enqueue import NewMessage, enqueue
from efir.telegram.outbox.queries import UNSETTLED
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM
from tests.e2e.test_dispatcher import dispatching
from tests.support.site import eventually
from tests.support.telegram import TOKEN, linked, with_bot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

# The chat of person n is upgraded to the first of these minus n; that one to the second minus n.
SUPERGROUPS = (-1_002_000_000_000, -1_003_000_000_000)


@dataclass(frozen=True)
class End:
    """The outcome of a message: its state, the calls made, how often it arrived, and why its chat is unreachable."""

    state: str
    calls: int
    received: int
    chat: str = ""


SENT_TOGETHER = End("sent", 1, 1)
# A success whose other fields are not as the library knows them.
STRANGE_SUCCESS = (
    '{"ok":true,"result":{"message_id":7,"date":1795956000000,"chat":{"id":1},'
    '"from":{"id":42,"first_name":"b"}}}'
)
REFUSED = End("failed", 1, 0)
NOT_SENT_ONCE = End("sent", 2, 1)
NOT_SENT_TWICE = End("sent", 3, 1)


@dataclass(frozen=True)
class Line:
    """One row of the table: the responses, and the outcome that they lead to."""

    end: End
    answer: dict[str, Any] | None = None
    times: int | None = 1

    def script(self, fake_bot_api: FakeBotApi, chat_id: int) -> None:
        """Make the Bot API's double respond so in this chat."""
        if self.answer is not None:
            fake_bot_api.respond_with(method="sendMessage", chat_id=chat_id, times=self.times, **self.answer)


def closed(reason: str) -> Line:
    """Return a line for a chat that stays unreachable for this reason."""
    return Line(End("failed", 1, 0, chat=reason), {"official": reason}, times=None)


UNKNOWN: dict[str, dict[str, Any]] = {
    **{name: {"official": name} for name in ("server_error", "restart", "bad_gateway", "gateway_timeout")},
    # of something in between, and no word about the token
    "page_401": {"kind": ResponseKind.HTML, "status": 401},
    "page_404": {"kind": ResponseKind.HTML, "status": 404},
    "page_502": {"kind": ResponseKind.HTML},
    "page_504": {"kind": ResponseKind.HTML, "status": 504},
    "hang": {"kind": ResponseKind.HANG},
    "cut": {"kind": ResponseKind.CUT},
    "drop": {"kind": ResponseKind.DROP},
    "malformed": {"kind": ResponseKind.MALFORMED},
    "foreign": {"kind": ResponseKind.FOREIGN},
}
TABLE = {
    "ok": Line(SENT_TOGETHER),
    "strange_success": Line(
        SENT_TOGETHER, {"kind": ResponseKind.RAW, "body": STRANGE_SUCCESS, "delivered": True}, None
    ),
    # the token is rejected: no message fails
    **{
        name: Line(NOT_SENT_ONCE, {"official": name})
        for name in ("unauthorized", "not_found", "logged_out", "misdirected")
    },
    # the chat is unreachable
    "blocked": closed("blocked"),
    "deactivated": closed("deactivated"),
    "kicked": closed("kicked"),
    "not_a_member": Line(End("failed", 1, 0, "not_member"), {"official": "not_a_member"}, None),
    "cannot_initiate": Line(End("failed", 1, 0, "never_started"), {"official": "cannot_initiate"}, None),
    **{
        name: Line(End("failed", 1, 0, "not_found"), {"official": name}, None)
        for name in ("chat_not_found", "user_not_found", "peer_id_invalid", "user_id_invalid")
    },
    "user_is_blocked": Line(End("failed", 1, 0, "blocked"), {"official": "user_is_blocked"}, None),
    "user_deactivated": Line(End("failed", 1, 0, "deactivated"), {"official": "user_deactivated"}, None),
    "another_403": Line(
        End("failed", 1, 0, "forbidden"), {"status": 403, "description": "Forbidden: new"}, None
    ),
    # the chat has a new id
    "upgraded": Line(NOT_SENT_ONCE),
    "upgraded_again": Line(End("failed", 2, 0)),
    # the message is refused
    **{
        name: Line(REFUSED, {"official": name}, None)
        for name in ("cannot_parse", "too_long", "empty", "bad_button")
    },
    "another_400": Line(REFUSED, {"status": 400, "description": "Bad Request: something new"}, None),
    "another_4xx": Line(REFUSED, {"status": 413, "description": "Request Entity Too Large"}, None),
    # surely not sent
    **{name: Line(NOT_SENT_ONCE, {"official": name}) for name in ("wait", "wait_in_words", "wait_untold")},
    "wait_again": Line(NOT_SENT_TWICE, {"official": "wait"}, 2),
    "page_403": Line(NOT_SENT_TWICE, {"kind": ResponseKind.HTML, "status": 403}, 2),
    "page_407": Line(NOT_SENT_ONCE, {"kind": ResponseKind.HTML, "status": 407}),
    "page_302": Line(NOT_SENT_ONCE, {"kind": ResponseKind.HTML, "status": 302}),
    # perhaps sent: tried once more, and never a third time
    **{f"{name}_once": Line(End("sent", 2, 1), answer) for name, answer in UNKNOWN.items()},
    **{
        f"{name}_once_though_delivered": Line(End("sent", 2, 2), answer | {"delivered": True})
        for name, answer in UNKNOWN.items()
    },
    **{f"{name}_always": Line(End("uncertain", 2, 0), answer, None) for name, answer in UNKNOWN.items()},
    **{
        f"{name}_always_though_delivered": Line(End("uncertain", 2, 2), answer | {"delivered": True}, None)
        for name, answer in UNKNOWN.items()
    },
}
KINDS: list[Sequence[Kind]] = [
    [Kind.PARTNER_ATTENDANCE],
    [Kind.CANDIDATE_FOLLOWUP],
    [Kind.CANDIDATE_RECORDING],
    [Kind.CANDIDATE_FOLLOWUP, Kind.CANDIDATE_RECORDING],  # one call carries both
]


@pytest.fixture
def fake_bot_api(settings, monkeypatch) -> Iterator[FakeBotApi]:
    """Run the Bot API's double, and shorten the waits.

    `READ_S` stays long: it ends the calls that hang, and a busy machine must not answer any other call later.
    """
    for module, name, seconds in (
        (outcomes, "DEFAULT_WAIT_S", 1.0),
        (client, "READ_S", 8.0),
        (sender, "VERIFY_AGAIN_S", 0.1),
        (completion, "AFTER_UNKNOWN_S", 0.1),
        (completion, "FIRST_RETRY_S", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    with running(fake_bot_api) as address:
        with_bot(settings, telegram_api=address, telegram_rate=500.0)
        yield fake_bot_api


@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
def test_every_response_has_its_outcome(fake_bot_api, make_person, make_webinar, kinds):
    webinar = make_webinar("finished")
    core.publish_recording(webinar.pk, "https://video.example.org/1", SYSTEM)
    receivers = {name: addressed(webinar, make_person, kinds) for name in TABLE}
    for name, line in TABLE.items():
        chat_id = 7000 + receivers[name].pk
        fake_bot_api.people.add(chat_id, name)
        line.script(fake_bot_api, chat_id)
    for name in ("upgraded", "upgraded_again"):
        upgrade(fake_bot_api, receivers[name], again=name == "upgraded_again")
    with dispatching():
        eventually(lambda: not OutboxMessage.objects.filter(state__in=UNSETTLED).exists())
        # After the token was rejected for the last time, it is verified once more.
        eventually(lambda: bot_health().state == "ok")
    ends = {name: ends_of(fake_bot_api, person) for name, person in receivers.items()}
    assert ends == {name: [line.end] * len(kinds) for name, line in TABLE.items()}
    moved = receivers["upgraded"]
    assert TelegramChat.objects.get(person=moved).chat_id == SUPERGROUPS[0] - moved.pk


def upgrade(fake_bot_api: FakeBotApi, person: Person, *, again: bool) -> None:
    """Give the person's chat a new id; with `again`, that one reports a new id, too."""
    first, second = (base - person.pk for base in SUPERGROUPS)
    fake_bot_api.people.migrate(7000 + person.pk, first)
    if again:
        parameters = {"migrate_to_chat_id": second}
        fake_bot_api.respond_with(chat_id=first, times=None, official="migrated", parameters=parameters)


def addressed(webinar: Webinar, make_person: Callable[..., Person], kinds: Sequence[Kind]) -> Person:
    """Queue messages of these kinds about one lead. Return the receiver."""
    inviter = make_person(Role.PARTNER)
    lead = make_person(invited_by=inviter)
    receiver = inviter if Kind.PARTNER_ATTENDANCE in kinds else lead
    linked(receiver)
    now = clock.now()
    Verdict.objects.create(
        webinar=webinar,
        lead=lead,
        attended=False,
        reason="no_show",
        rule="",
        intervals=[],
        present_s=0,
        classified_at=now,
    )
    enqueue(
        [
            NewMessage(webinar_id=webinar.pk, lead_id=lead.pk, person_id=receiver.pk, kind=kind, cause_at=now)
            for kind in kinds
        ]
    )
    return receiver


def ends_of(fake_bot_api: FakeBotApi, person: Person) -> list[End]:
    """Return the outcome of each of the person's messages."""
    ours = {str(7000 + person.pk), *(str(base - person.pk) for base in SUPERGROUPS)}
    chat = TelegramChat.objects.get(person=person)
    calls = [
        call
        for call in fake_bot_api.calls
        if call.method == "sendMessage" and str(call.params["chat_id"]) in ours
    ]
    received = sum(str(sent.message["chat"]["id"]) in ours for sent in fake_bot_api.sent)
    rows = list(OutboxMessage.objects.filter(person=person).order_by("pk"))
    assert {row.attempts for row in rows} == {len(calls)}, "a row counts its calls"
    assert chat.reachable is not bool(chat.unreachable_reason)
    return [End(row.state, len(calls), received, chat.unreachable_reason) for row in rows]


def test_table_is_complete():
    told = {line.answer.get("official") for line in TABLE.values() if line.answer}
    assert set(OFFICIAL_ERRORS) - told == {"migrated"}  # told by a chat that was upgraded
    assert Counter(line.end.state for line in TABLE.values()).keys() == {
        MessageState.SENT,
        MessageState.FAILED,
        MessageState.UNCERTAIN,
    }
