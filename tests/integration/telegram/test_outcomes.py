"""Classification of the outcome of a call."""

from __future__ import annotations

import pytest

from efir.telegram.bot.client import BotApiError
from efir.telegram.bot.outcomes import (
    DEFAULT_WAIT_S,
    LONGEST_WAIT_S,
    ChatMoved,
    ChatUnreachable,
    Delivery,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Sent,
    TokenRejected,
    classify_outcome,
)


def answered(status, description="", parameters=None, *, official=True):
    return BotApiError(
        Delivery.ANSWERED,
        description,
        status=status,
        error_code=status if official else None,
        parameters=parameters,
    )


def test_message_id_means_sent():
    assert classify_outcome(7) == Sent(7)


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("Forbidden: bot was blocked by the user", "blocked"),
        ("Forbidden: user is deactivated", "deactivated"),
        ("Forbidden: bot was kicked from the group chat", "kicked"),
        ("Forbidden: bot is not a member of the channel chat", "not_member"),
        ("Forbidden: bot can't initiate conversation with a user", "never_started"),
        ("Forbidden: something new", "forbidden"),
    ],
)
def test_403_means_chat_unreachable(description, reason):
    assert classify_outcome(answered(403, description)) == ChatUnreachable(reason, description)


@pytest.mark.parametrize("prefix", ["Bad Request: ", "[Error]: Bad Request: ", "Bad Request: [Error]: ", ""])
@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("chat not found", "not_found"),
        ("user not found", "not_found"),
        ("PEER_ID_INVALID", "not_found"),
        ("USER_ID_INVALID", "not_found"),
        ("CHAT_ID_INVALID", "not_found"),
        ("INPUT_USER_DEACTIVATED", "deactivated"),
        ("USER_DEACTIVATED", "deactivated"),
        ("USER_IS_BLOCKED", "blocked"),
        ("YOU_BLOCKED_USER", "blocked"),
        ("bot was kicked from the group chat", "kicked"),
        ("have no rights to send a message", "forbidden"),
        ("CHAT_WRITE_FORBIDDEN", "forbidden"),
    ],
)
def test_400_about_the_chat_means_chat_unreachable(prefix, description, reason):
    text = prefix + description
    assert classify_outcome(answered(400, text)) == ChatUnreachable(reason, text)


@pytest.mark.parametrize(
    ("description", "parameters", "seconds"),
    [
        ("Too Many Requests: retry after 7", {"retry_after": 7}, 7),
        ("Too Many Requests", {"retry_after": 0}, 0),
        ("Too Many Requests: retry after 9", None, 9),
        ("Too Many Requests: retry after 9", {"retry_after": None}, 9),
        ("Too Many Requests", {"retry_after": "soon"}, DEFAULT_WAIT_S),
        ("", None, DEFAULT_WAIT_S),
        ("", {"retry_after": 10**12}, LONGEST_WAIT_S),
        ("", {"retry_after": float("nan")}, DEFAULT_WAIT_S),
        (f"retry after {10**12}", None, LONGEST_WAIT_S),
    ],
)
def test_429_means_rate_limited_for_retry_after(description, parameters, seconds):
    assert classify_outcome(answered(429, description, parameters)) == RateLimited(seconds, description)


@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: group chat was upgraded to a supergroup chat",
        "Bad Request: chat not found",
        "Logged out",
        "",
    ],
)
def test_400_with_new_chat_id_means_chat_moved(description):
    moved = answered(400, description, {"migrate_to_chat_id": -1001234567890123})
    assert classify_outcome(moved) == ChatMoved(-1001234567890123, description)


@pytest.mark.parametrize("told", [None, True, "-100123", 2**63, 0])
def test_invalid_new_chat_id_is_ignored(told):
    text = "Bad Request: something"
    assert classify_outcome(answered(400, text, {"migrate_to_chat_id": told})) == MessageRefused(text)


def test_only_an_official_400_moves_a_chat():
    parameters = {"migrate_to_chat_id": -100123}
    assert classify_outcome(answered(400, "x", parameters, official=False)) == NotSent("x")
    assert classify_outcome(answered(403, "Forbidden", parameters)) == ChatUnreachable(
        "forbidden", "Forbidden"
    )


@pytest.mark.parametrize(
    ("status", "description"),
    [
        (401, "Unauthorized"),
        (404, "Not Found"),
        (400, "Bad Request: Logged out"),
        (400, "Logged out"),
        (421, "Misdirected Request: unallowed token specified"),
    ],
)
def test_wrong_token_means_token_rejected(status, description):
    assert classify_outcome(answered(status, description)) == TokenRejected(description)


@pytest.mark.parametrize("status", [400, 405, 413])
def test_other_4xx_means_message_refused(status):
    text = "Bad Request: can't parse entities"
    assert classify_outcome(answered(status, text)) == MessageRefused(text)


@pytest.mark.parametrize("status", [401, 404])
def test_proxy_error_page_does_not_reject_the_token(status):
    text = f"HTTP {status}"
    assert classify_outcome(answered(status, text, official=False)) == OutcomeUnknown(text)


@pytest.mark.parametrize("status", [302, 403, 400, 407, 421])
def test_answer_of_a_proxy_means_not_sent(status):
    assert classify_outcome(answered(status, f"HTTP {status}", official=False)) == NotSent(f"HTTP {status}")


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("official", [True, False])
def test_server_error_means_outcome_unknown(status, official):
    assert classify_outcome(answered(status, "x", official=official)) == OutcomeUnknown("x")


def test_network_error_is_classified_by_delivery():
    assert classify_outcome(BotApiError(Delivery.NOT_SENT, "ConnectError")) == NotSent("ConnectError")
    assert classify_outcome(BotApiError(Delivery.UNKNOWN, "ReadTimeout")) == OutcomeUnknown("ReadTimeout")
    assert classify_outcome(RuntimeError("with details")) == OutcomeUnknown("RuntimeError")


def test_stored_error_contains_no_token():
    decision = classify_outcome(answered(400, "Bad Request: see /bot42:AAsecret/sendMessage"))
    assert decision == MessageRefused("Bad Request: see /bot***/sendMessage")
