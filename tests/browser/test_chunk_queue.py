"""The studio's queue of chunks in a browser: its order, its retries, and what it drops after a minute."""

from __future__ import annotations

import pytest

# A queue with a clock that the test moves. Chunks are named by their text.
QUEUE = """async (steps) => {
  const { ChunkQueue } = await import("/static/broadcast/chunk_queue.js");
  let now = 0;
  const queue = new ChunkQueue(() => now);
  const taken = [];
  for (const [what, value] of steps) {
    if (what === "wait") now += value * 1000;
    if (what === "add") queue.add(new Blob([value]), value.startsWith("^"));
    if (what === "take") taken.push(await queue.take(value ?? 100)?.body.text() ?? null);
    if (what === "confirm") queue.confirm();
    if (what === "drop") queue.dropContainer();
  }
  return { taken, dropped: queue.dropped, waiting: queue.waitingMs / 1000 };
}"""


@pytest.fixture
def run(chromium, site):
    page = chromium.new_context(base_url=site.url).new_page()
    page.goto("/offline/")
    yield lambda *steps: page.evaluate(QUEUE, steps)
    page.context.close()


def test_repeat_has_the_same_bytes_and_the_rest_follows_in_order(run):
    found = run(
        ["add", "^a"],
        ["take"],
        ["add", "b"],
        ["take"],
        ["confirm"],
        ["add", "c"],
        ["take"],
        ["confirm"],
        ["take"],
    )
    assert found["taken"] == ["^a", "^a", "bc", None]


def test_request_has_one_container_and_at_most_so_many_bytes(run):
    found = run(
        *(["add", chunk] for chunk in ("^aa", "bb", "cc", "^dd")),
        *([step] if step == "confirm" else [step, 5] for step in ("take", "confirm") * 3),
    )
    assert found["taken"] == ["^aabb", "cc", "^dd"]


def test_after_a_minute_whole_containers_are_dropped_from_the_front(run):
    steps = [["add", "^a"], ["take"], ["wait", 5], ["add", "b"], ["wait", 5], ["add", "^c"]]
    steps += [step for number in range(11) for step in (["wait", 5], ["add", str(number)])]
    found = run(*steps, ["take", 2])
    assert found["taken"] == ["^a", "^c"]
    assert found["dropped"]  # the request that was in progress may have arrived
    assert found["waiting"] == 55


def test_only_container_is_kept_however_long(run):
    found = run(["add", "^a"], ["wait", 90], ["add", "b"], ["take"])
    assert found["taken"] == ["^ab"]
    assert not found["dropped"]


def test_rest_of_a_broken_container_is_dropped(run):
    found = run(*(["add", chunk] for chunk in ("^a", "b")), ["take", 2], ["drop"], ["add", "^c"], ["take"])
    assert found["taken"] == ["^a", "^c"]
