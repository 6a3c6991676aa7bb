"""How soon every one of 9,000 viewers hears of a change: Efir's process beside nginx with nchan, in turns.

The change is asked of Efir as its speaker asks: a POST to the page's button, a transaction, a commit. nchan is
handed a message of the same text, which it need only pass on. A third stream is Efir's own fallback, a coroutine a
viewer on stock uvicorn. On PostgreSQL Efir is measured alone, in one process and in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import django

django.setup()

from django.conf import settings  # noqa: E402  # after setup
from django.core.management import call_command  # noqa: E402

from benchmarks.connections import SPARE_FILES, raise_file_limit  # noqa: E402
from benchmarks.contenders import (  # noqa: E402
    EFIR,
    NCHAN,
    Contender,
    Medians,
    Round,
    at,
    contenders,
    pressed,
)
from benchmarks.crowd import crowd, stream_request  # noqa: E402
from benchmarks.people import enrol, live_webinar, log_in, room_stream  # noqa: E402
from benchmarks.processes import efir  # noqa: E402
from benchmarks.tables import median, ms, percentile, table, warn  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.webinars.models import Webinar  # noqa: E402

FEW, MANY = 1000, 9000
CHANGES = 5


def main() -> None:
    """Print the tables for this process's database."""
    call_command("migrate", verbosity=0)
    many = _that_fit(raise_file_limit())
    webinar, cookies = live_webinar(), log_in(enrol(many))
    (speaker,) = log_in(enrol(1, Role.SPEAKER, "speaker"))
    paths = [stream_request(room_stream(webinar), cookie) for cookie in cookies]
    with ExitStack() as stack:
        measured = list(contenders(stack, webinar, paths, speaker, peers=settings.EFIR.is_sqlite))
        for viewers in (FEW, many):
            _measure(measured, viewers)
    _print_changes(measured)
    _print_sums(measured, many)
    if not settings.EFIR.is_sqlite:
        webinar.refresh_from_db()
        _two_processes(webinar, paths, speaker, measured[0].medians[many])


def _that_fit(files: int) -> int:
    fit = min(MANY, files - SPARE_FILES)
    if fit < MANY:
        warn(f"only {fit} viewers fit: RLIMIT_NOFILE is {files} (ulimit -Hn)")
    return fit


def _measure(measured: Sequence[Contender], viewers: int) -> None:
    """The same number of changes of each, in turns, after one that warms up."""
    rounds: dict[str, list[Round]] = {}
    for each in measured:
        each.fill(viewers)
        each.ask()
    for number in range(CHANGES):
        for each in measured if number % 2 else reversed(measured):
            rounds.setdefault(each.name, []).append(each.ask())
    for each in measured:
        each.medians[viewers] = Medians.of(rounds[each.name])


def _print_changes(measured: Sequence[Contender]) -> None:
    table(
        f"A change of state to the viewers of one process, ms after it was asked for: medians of {CHANGES} changes",
        [
            "stream",
            "viewers",
            "p50",
            "p99",
            "last",
            "last after the first",
            "server's CPU, ms",
            "client's CPU, ms",
        ],
        [
            (each.name, f"{viewers:,}", *map(ms, vars(each.medians[viewers]).values()))
            for viewers in measured[0].medians
            for each in measured
        ],
    )


def _print_sums(measured: Sequence[Contender], many: int) -> None:
    peer = next((each for each in measured if each.name == NCHAN), None)
    table(
        f"What {many:,} viewers of one process come to",
        [
            "stream",
            f"p99 at {many:,} against {FEW:,}",
            f"p99 at {many:,} against nchan",
            "kB a viewer (VmRSS)",
            "kB a viewer (PSS)",
            "memory against nchan",
        ],
        [
            (
                each.name,
                f"{each.medians[many].p99 / each.medians[FEW].p99:.1f} ×",
                _against(each.medians[many].p99, peer and peer.medians[many].p99),
                *(f"{kb:.1f}" for kb in each.kb_a_viewer()),
                _against(each.kb_a_viewer()[0], peer and peer.kb_a_viewer()[0]),
            )
            for each in measured
        ],
    )
    print(
        "Memory: what all viewers but the first few have added to the server's processes (of nginx: master and "
        "worker, with the\nshared memory that they touched). The kernel's, for the connections, is in neither.\n",
        flush=True,
    )


def _against(ours: float, theirs: float | None) -> str:
    return f"{ours / theirs:.2f} ×" if theirs else ""


def _two_processes(webinar: Webinar, paths: Sequence[str], speaker: str, alone: Medians) -> None:
    """Half of the viewers on each of two processes; one is asked, the other hears of it."""
    half = len(paths) // 2
    with efir("web") as asked, efir("web") as other, crowd() as people:
        answer = people.watch([*at(asked, paths[:half]), *at(other, paths[half:])])
        if answer["errors"]:
            warn(f"two processes: {answer['errors']}")
        change = pressed(webinar, asked, speaker)
        rounds = [people.hear(*change()) for _ in range(CHANGES + 1)][1:]
    own, others = ([heard.of(server.port) for heard in rounds] for server in (asked, other))
    table(
        f"Two web processes, {half:,} viewers each: ms after the change was asked of one, medians of {CHANGES}",
        ["viewers", "p50", "p99", "last", "last, against one process with all of them"],
        [
            (name, *(ms(median([percentile(after_s, p) for after_s in heard])) for p in (50, 99, 100)), ratio)
            for name, heard, ratio in (
                ("of the process that was asked", own, ""),
                ("of the other process", others, f"{_last(others) / alone.last:.2f} ×"),
            )
        ]
        + [(f"all of {EFIR}'s one process", ms(alone.p50), ms(alone.p99), ms(alone.last), "1 ×")],
    )


def _last(heard: Sequence[Sequence[float]]) -> float:
    return median([max(after_s) for after_s in heard])


if __name__ == "__main__":
    main()
