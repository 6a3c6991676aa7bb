"""The curve and the bars as they are drawn: as wide as they should be, on a phone and on a desktop."""

from __future__ import annotations

import pytest

from tests.browser.pages import a_page
from tests.support.site import eventually

SIZES = [{"width": 360, "height": 740}, {"width": 1440, "height": 900}]

DRAWN = """() => [...document.querySelectorAll('.verdicts .bar')].flatMap((bar) => {
  const whole = bar.getBoundingClientRect();
  return [...bar.querySelectorAll('.there')].map((piece) => ({
    share: piece.getBoundingClientRect().width / whole.width,
    meant: piece.width.baseVal.value / 1000,
    bar: whole.width,
  }));
})"""
CURVE = """() => {
  const box = (what) => document.querySelector(what).getBoundingClientRect();
  const [plot, line] = [box('.curve'), box('.curve .line')];
  const top = line.top - box('.curve .grid').top;
  return { top, plot: plot.width, high: plot.height, line: line.width, card: box('#numbers').width };
}"""


# How many boxes of the funnel stand in each row: none is left alone.
FUNNEL = """() => Object.values(Object.groupBy(
  document.querySelectorAll('.funnel li'), (box) => Math.round(box.getBoundingClientRect().top)
)).map((row) => row.length)"""
# With the longest that is there in life: what is wider than its cell, were words not broken anywhere.
BROKEN_WORDS = """() => {
  const [who, , why] = document.querySelectorAll('.verdicts tbody td');
  who.textContent = 'Константин Константинопольский-Задунайский';
  why.textContent = 'решение администратора';
  return [who, why].filter((cell) => {
    const before = cell.clientWidth;
    cell.style.overflowWrap = 'normal';
    return cell.clientWidth > before || cell.scrollWidth > before;
  }).map((cell) => cell.textContent);
}"""


@pytest.fixture(scope="module")
def watched(site, cast, speaker) -> int:
    """A webinar that one candidate watched to the end, judged."""
    webinar = cast.webinar(title="В цифрах")
    _, visitor = cast.candidate(webinar=webinar, linked=False)
    with visitor.watching(webinar) as tab:
        speaker.post(f"/admin_webinar/{webinar}/start")
        tab.until(status="live")
        eventually(lambda: site.facts(webinar) == 1)
        speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
        speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: site.judged(webinar))
    return webinar


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
def test_bars_and_curve_are_as_wide_as_they_mean(chromium, site, watched, size):
    page = a_page(chromium, site, "admin")
    page.set_viewport_size(size)
    page.goto(f"/admin_webinar/{watched}/")
    (piece,) = page.evaluate(DRAWN)
    assert piece["share"] == pytest.approx(piece["meant"], abs=0.01)
    assert piece["bar"] > 200
    curve = page.evaluate(CURVE)
    assert curve["line"] == pytest.approx(curve["plot"], abs=4)
    assert curve["plot"] > 0.8 * curve["card"] > 200
    assert curve["high"] >= 120
    assert curve["top"] >= 8
    assert page.evaluate(FUNNEL) in ([2, 2], [4], [2, 2, 1], [3, 2], [5])
    if size["width"] > 640:
        assert page.evaluate(BROKEN_WORDS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Скачать итоги (CSV)").click()
    assert download.value.suggested_filename.startswith("Итоги - В цифрах - ")
    assert page.complaints == []
