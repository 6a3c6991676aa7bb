"""Compare two revisions by the tables that their benchmarks print."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.tables import median, table

HERE = Path(__file__).parents[1]
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+")

# A figure: number of the table, label of the row and how often the label came before, heading of the column.
Figure = tuple[int, str, int, str]


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """Check a revision out into a temporary git worktree while the block runs."""
    with tempfile.TemporaryDirectory(prefix="efir-base-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, revision], cwd=HERE, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=HERE, check=True)


def compare(title: str, trees: Sequence[Path], run: Callable[[Path], str], rounds: int) -> None:
    """Run both trees in turns and print the medians of each figure that both have, with their ratio."""
    found: list[dict[Figure, list[float]]] = [defaultdict(list) for _ in trees]
    for number in range(rounds):
        # Each tree goes first as often as the other: the machine may warm up or get busier.
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            output = run(trees[which])
            print(output, file=sys.stderr, flush=True)
            for figure, value in read_tables(output).items():
                found[which][figure].append(value)
    rows = []
    for figure in found[0]:
        if figure in found[1]:
            base, here = (median(each[figure]) for each in found)
            ratio = f"{here / base:.2f} ×" if base else ""
            rows.append((f"{figure[1]}: {figure[3]}", f"{base:g}", f"{here:g}", ratio))
    table(f"{title}, medians of {rounds}", ["figure", "base", "here", "here / base"], rows)


def read_tables(output: str) -> dict[Figure, float]:
    """Return the numeric cells of the Markdown tables in a benchmark's output."""
    figures: dict[Figure, float] = {}
    number, head = 0, list[str]()
    seen: Counter[str] = Counter()
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")] if line.startswith("|") else []
        if not cells:
            head = []
        elif not head:
            head, number, seen = cells, number + 1, Counter()
        elif not cells[0].startswith("---"):
            labels = 2 if head[1] == "viewers" else 1  # the columns that say what was measured
            label = ", ".join(cells[:labels])
            for column, cell in zip(head[labels:], cells[labels:], strict=False):
                if match := _NUMBER.match(cell):
                    figures[number, label, seen[label], column] = float(match[0].replace(",", ""))
            seen[label] += 1
    return figures
