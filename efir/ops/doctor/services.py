"""The doctor's checks of network services: the database, Efir's own processes, Telegram, and the proxy."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core import checks
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from efir.accounts import second_factor
from efir.accounts.capabilities import Capability, people_who_can
from efir.accounts.models import SecondFactor
from efir.lib import clock
from efir.lib.log import without_token
from efir.ops.monitoring.health import HEALTHY, component_states
from efir.server import secret_key
from efir.server.locks import database_lock_path, is_held
from efir.server.models import DemoMark
from efir.site_settings import current
from efir.telegram.health import bot_health
from efir.web.local import is_this_machine

TIMEOUT_S = 10.0
# The version that the README names and the tests use.
MIN_POSTGRESQL = 15
# C0 and C1 of Adobe's RTMP specification, 5.2: a server answers with its version, which is 3.
RTMP_HELLO, RTMP_VERSION = b"\x03" + bytes(1536), b"\x03"
MAX_CLOCK_ERROR_S = 5.0

# What to do about each state that /healthz can name.
ADVICE = {
    "unreachable": "start the database, and check EFIR_DATABASE_URL",
    "read_only": "name the primary in EFIR_DATABASE_URL, or let it write again (default_transaction_read_only)",
    "triggers_missing": "run efir migrate, which installs them",
    "no_heartbeat": "start `efir serve`, or `efir worker`; if it runs, read its log",
    "dispatcher_down": "start `efir serve`, or `efir worker`; if it runs, read its log",
    "bot_rejected": "set EFIR_TELEGRAM_TOKEN to the token that @BotFather shows, and restart",
    "bot_unreachable": "make sure that this machine can reach EFIR_TELEGRAM_API, perhaps through EFIR_TELEGRAM_PROXY",
    "clock_set_back": "find out what set the clock back, and use NTP",
    "not_configured": "set EFIR_TELEGRAM_TOKEN: until then messages wait in the queue",
}


def database() -> Iterator[checks.CheckMessage]:
    """Check that the database answers, is new enough, and has this version's migrations."""
    try:
        connection.ensure_connection()
    except DatabaseError as exc:
        yield checks.Error(f"does not answer ({type(exc).__name__})", ADVICE["unreachable"], "database")
        return
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000, clock_timestamp()")
            version, now = cursor.fetchone()
        if version < MIN_POSTGRESQL:
            yield checks.Error(str(version), f"upgrade it to {MIN_POSTGRESQL} or newer", "postgresql")
        else:
            yield checks.Info(str(version), obj="postgresql")
        yield _clock_error("the database's", now)
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield checks.Error(f"{len(missing)} are missing", "efir migrate", "migrations")
        return
    yield checks.Info("all there", obj="migrations")
    if not secret_key.is_installations_key(settings.EFIR.secret_key):
        advice = "use the same EFIR_SECRET_KEY, or a copy of secret.key, as the other processes"
        yield checks.Error("not the installation's: processes do not start with it", advice, "secret key")
    if DemoMark.objects.exists():
        text = "the demo's, whose passwords are public"
        yield checks.Error(text, "use another EFIR_DATA_DIR", "people")


def second_factors() -> Iterator[checks.CheckMessage]:
    """Check that admins have a second factor, which is a hint, and that the key opens those that there are."""
    name = "second factor"
    if SecondFactor._meta.db_table not in connection.introspection.table_names():
        return  # the check of the database has said that migrations are missing
    if lost := second_factor.unreadable():
        advice = "restore the old key; otherwise they need a recovery code, or efir person reset-second-factor LOGIN"
        text = f"{len(lost)} people's codes do not work: they were encrypted with another secret key"
        yield checks.Warning(text, advice, name)
    admins = people_who_can(Capability.ASSIGN_ROLES)
    without = admins.filter(second_factor=None).count()
    hint = (
        "each should set one up at /account/security/, so that a stolen password is not enough"
        if without
        else None
    )
    yield checks.Info(f"{admins.count() - without} of {admins.count()} admins have one", hint, name)


def health() -> Iterator[checks.CheckMessage]:
    """Report the states of `/healthz`, with advice."""
    clock.refresh()
    states = component_states()
    if states["database"] == "unreachable":
        return  # the check of the database has said why
    fault = bot_health().fault
    for component, state in states.items():
        name, advice = f"health of {component}", ADVICE.get(state, "read the worker's log for the reason")
        if state == "ok":
            yield checks.Info(state, obj=name)
        elif state in HEALTHY:
            yield checks.Warning(state, advice, name)
        else:
            text = f"{state}: {fault}" if component == "telegram" and fault else state
            yield checks.Error(text, advice, name)


def one_owner() -> Iterator[checks.CheckMessage]:
    """Check on SQLite that the locks of a running process are seen: on a network file system they may not be."""
    if not settings.EFIR.is_sqlite:
        return
    jobs = [job for job in ("web", "worker") if is_held(database_lock_path(job))]
    if jobs:
        yield checks.Info(f"one process runs its {' and '.join(jobs)}", obj="owner of the database")
    else:
        yield checks.Warning("nobody: Efir does not run", "efir serve", "owner of the database")


def telegram() -> Iterator[checks.CheckMessage]:
    """Check the token and the webhook by two calls that change nothing.

    An error is named without its address, because the token is a part of the address.
    """
    token = settings.EFIR.telegram_token
    if not token:
        return
    base = f"{settings.EFIR.telegram_api}/bot{token}"
    try:
        with httpx.Client(timeout=TIMEOUT_S, proxy=settings.EFIR.telegram_proxy or None) as client:
            answer = client.get(f"{base}/getMe")
            bot, webhook = _result(answer), _result(client.get(f"{base}/getWebhookInfo"))
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        advice = "make sure that this machine can reach it, perhaps through EFIR_TELEGRAM_PROXY"
        yield checks.Error(f"cannot be reached ({type(exc).__name__})", advice, "telegram")
        return
    except ValueError:
        advice = "check EFIR_TELEGRAM_API and EFIR_TELEGRAM_PROXY: something else answers there"
        yield checks.Error(
            f"HTTP {answer.status_code}, which is not a response of the Bot API", advice, "telegram"
        )
        return
    if bot is None:
        text = f"Telegram refuses it (HTTP {answer.status_code}: {_description(answer)})"
        yield checks.Error(text, ADVICE["bot_rejected"], "token")
        return
    yield checks.Info(f"of @{bot.get('username', '?')}", obj="token")
    if webhook is None:
        yield checks.Warning("Telegram did not say", "run `efir doctor` again", "webhook")
    elif webhook.get("url"):
        advice = "delete it (deleteWebhook): Efir polls for updates"
        yield checks.Error("set: updates are sent there", advice, "webhook")
    else:
        yield checks.Info("none, as it should be", obj="webhook")
    with suppress(ValueError):  # a proxy may leave the date out or write it in its own way
        yield _clock_error("Telegram's", _date_of(answer))


def address() -> Iterator[checks.CheckMessage]:
    """Check that the public address is https, and that Efir answers there."""
    url = settings.EFIR.public_url
    if not settings.EFIR.is_https:
        if is_this_machine(urlsplit(url).hostname or ""):
            verb = "change" if os.environ.get("EFIR_PUBLIC_URL") else "set"
            advice = f"{verb} EFIR_PUBLIC_URL to the address that people will use"
            yield checks.Warning(f"{url}: only this machine can use it", advice, "public address")
        else:
            advice = "TLS in front, and EFIR_PUBLIC_URL=https://…"
            yield checks.Error(f"{url} is not https", advice, "public address")
    try:
        answer = httpx.get(f"{url}/healthz/web", timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        advice = "start Efir and the proxy; check the name, the certificate and the firewall"
        yield checks.Error(f"{url} does not answer ({type(exc).__name__})", advice, "public address")
        return
    if answer.status_code == 200 and answer.headers.get("content-type", "").startswith("application/json"):
        yield checks.Info(f"{url} answers", obj="public address")
    else:
        text = f"{url} answers HTTP {answer.status_code}, not as Efir does"
        yield checks.Error(
            text, "the proxy leads elsewhere: compare its configuration with deploy/", "public address"
        )


def proxies() -> Iterator[checks.CheckMessage]:
    """Check that proxies are trusted only if clients cannot bypass them: a trusted proxy says who the client is."""
    count, host = settings.EFIR.trusted_proxies, settings.EFIR.host
    if settings.EFIR.is_https and not count:
        advice = "set EFIR_TRUSTED_PROXIES=1: otherwise everybody shares one address and its limits"
        yield checks.Warning("0, although TLS ends at a proxy in front", advice, "trusted proxies")
    elif count and host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        text = f"{count}, and EFIR_HOST={host} lets clients bypass them"
        advice = "let only the proxy reach the port (EFIR_HOST=127.0.0.1, or a firewall)"
        yield checks.Warning(text, advice, "trusted proxies")
    else:
        yield checks.Info(str(count), obj="trusted proxies")


def site_owner() -> Iterator[checks.CheckMessage]:
    """Check that the site names who is responsible for personal data, and a contact."""
    site = current.current()
    where = "the settings of the site (/account/site/), or `efir site set`"
    lacking: list[checks.CheckMessage] = []
    if not (site.organisation and site.data_contact):
        lacking.append(
            checks.Warning(
                "nobody is named as responsible for personal data", f"fill in who it is: {where}", "site"
            )
        )
    if not site.has_contact:
        lacking.append(
            checks.Warning(
                "no contact for people whom nobody invited",
                f"fill in Telegram, phone or e-mail: {where}",
                "site",
            )
        )
    yield from lacking or [checks.Info("names who is responsible, and a contact", obj="site")]


def rtmp() -> Iterator[checks.CheckMessage]:
    """Check that the RTMP server answers on `EFIR_RTMP_PORT`, if it is set."""
    host, port, name = settings.EFIR.host, settings.EFIR.rtmp_port, "RTMP port"
    if not port:
        yield checks.Info("0: encoders cannot connect", obj=name)
        return
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    try:
        with socket.create_connection((reached, port), timeout=TIMEOUT_S) as encoder:
            encoder.sendall(RTMP_HELLO)
            is_rtmp = encoder.recv(1) == RTMP_VERSION
    except ConnectionRefusedError:
        yield checks.Warning(f"nobody listens on {host}:{port}", "start `efir serve`, or `efir worker`", name)
        return
    except OSError:
        is_rtmp = False
    if is_rtmp:
        yield checks.Info(f"{host}:{port} answers", obj=name)
    else:
        advice = "choose another EFIR_RTMP_PORT, or stop the program that uses it"
        yield checks.Error(f"something else answers on {host}:{port}", advice, name)


def _clock_error(whose: str, now: datetime) -> checks.CheckMessage:
    seconds = abs((datetime.now(UTC) - now).total_seconds())
    text = f"{seconds:.0f} s from {whose}"
    if seconds < MAX_CLOCK_ERROR_S:
        return checks.Info(text, obj="clock")
    return checks.Warning(text, "let NTP set it: systemctl start systemd-timesyncd", "clock")


def _result(answer: httpx.Response) -> dict[str, Any] | None:
    """Return the result of a call, or None if it is refused. Raises ValueError if it is no answer of the Bot API."""
    match answer.json():
        case {"ok": True, "result": dict() as result}:
            return result
        case {"ok": False}:
            return None
    raise ValueError(answer.status_code)


def _date_of(answer: httpx.Response) -> datetime:
    """Return when the answer was sent. Raises ValueError."""
    sent = parsedate_to_datetime(answer.headers.get("date", ""))
    return sent if sent.tzinfo else sent.replace(tzinfo=UTC)


def _description(answer: httpx.Response) -> str:
    body = answer.json()
    return without_token(str(body.get("description", ""))) if isinstance(body, dict) else ""


CHECKS = (database, second_factors, health, one_owner, telegram, address, proxies, site_owner, rtmp)
