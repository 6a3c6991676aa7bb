"""Run simulated webinars («evenings») and compare each verdict with what the clients know.

`python -m tests.oracle --evenings 25 --people 200 --seed 0 [--postgres] [--faults kill freeze_15 …] [--at-once 2]`
prints a table, and everything about each wrong verdict. The exit code is 1 if there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.oracle.run import Options, Result, hold_evenings

REASONS = (
    "stayed_to_end",
    "left_early",
    "watched_too_little",
    "not_watched",
    "no_show",
    "unknown",
    "none",
)


def hold(seeds: Sequence[int], options: Options) -> list[Result]:
    """Run these evenings one after the other, and print the result of each."""
    results = []
    for result in hold_evenings(seeds, options):
        results.append(result)
        held = result.verdicts["unknown"]
        print(
            f"{result.title}: {result.verdicts.total()} people, {held} held, {len(result.wrong)} wrong, "
            f"writing within {result.flush_s:.1f} s",
            flush=True,
        )
        for text in result.wrong:
            print(text, flush=True)
    return results


def table(results: Sequence[Result]) -> str:
    """Return a row for each kind of evening, and the sum."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.evening.scenario, []).append(result)
    rows["all"] = list(results)
    lines = [" | ".join(("faults", "evenings", "people", *REASONS, "one right", "wrong"))]
    for name, evenings in rows.items():
        verdicts: Counter[str] = sum((each.verdicts for each in evenings), Counter())
        numbers = (
            len(evenings),
            verdicts.total(),
            *(verdicts[reason] for reason in REASONS),
            sum(each.one_right for each in evenings),
            sum(len(each.wrong) for each in evenings),
        )
        lines.append(" | ".join((name, *map(str, numbers))))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--evenings", type=int, default=1)
    parser.add_argument("--people", type=int, default=200, help="people in each evening")
    parser.add_argument("--seed", type=int, default=0, help="of the first evening; the next ones follow")
    parser.add_argument(
        "--postgres", action="store_true", help="two web processes and a worker on PostgreSQL"
    )
    parser.add_argument("--faults", nargs="*", default=[], help="in turns; by default all that there are")
    parser.add_argument("--presence-only", action="store_true", help="EFIR_MIN_WATCHED=0, and nobody watches")
    parser.add_argument("--at-once", type=int, default=1, help="evenings at the same time")
    options = parser.parse_args()
    wanted = Options(options.people, options.postgres, tuple(options.faults), not options.presence_only)
    seeds = range(options.seed, options.seed + options.evenings)
    batches = [seeds[start :: options.at_once] for start in range(min(options.at_once, options.evenings))]
    began = time.monotonic()
    with ProcessPoolExecutor(len(batches)) as pool:
        results = [result for done in pool.map(hold, batches, [wanted] * len(batches)) for result in done]
    print(table(results))
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
