"""One webinar in Firefox: schedule, sign-up, seat, room, start, call-to-action, stop."""

from __future__ import annotations

from tests.support.firefox import Firefox, firefox
from tests.support.site import PASSWORD, eventually


def log_in(browser: Firefox, login: str) -> None:
    browser.goto("/login/")
    browser.fill("username", login)
    browser.fill("password", PASSWORD)
    browser.click("main form button")
    browser.wait_for_url("/a")  # the account, or the speaker's page
    if "/account/consent/" in browser.url:  # an account that the command line added
        browser.click("main form button")
    assert browser.text("main h1")


def sign_up(browser: Firefox, login: str) -> None:
    browser.click("a[href^='/signup/']")
    browser.wait_for_url("/signup/")
    browser.fill("name", "Фёдор Лисицын")
    browser.fill("username", login)
    browser.fill("password", PASSWORD)
    browser.click("[name=consent]")
    browser.click("main form button")
    browser.wait_for_url("/account/")


def test_an_evening_in_firefox(site, cast):
    title = "Эфир в Firefox"
    webinar = cast.webinar(title=title)
    with firefox(site.url) as candidate, firefox(site.url) as speaker:
        candidate.goto("/webinars/")
        assert title in candidate.text("main")
        sign_up(candidate, f"firefox{webinar}@example.org")
        candidate.goto("/webinars/")
        candidate.click(f"form[action='/webinars/{webinar}/seat'] button")

        candidate.goto(f"/account/webinar_room/{webinar}/")
        log_in(speaker, "speaker")
        speaker.goto(f"/admin_webinar/{webinar}/")
        speaker.click(f"form[action$='/{webinar}/start'] button")

        candidate.click("#enter-button")
        assert candidate.attribute("#player iframe", "src") == "https://www.youtube.com/embed/abc"

        speaker.click(f"form[action$='/{webinar}/cta'] button")
        assert candidate.text("#cta button")

        # Drawn again by the answer to the last press, before which another press is not taken.
        eventually(lambda: "Скрыть" in speaker.text(f"form[action$='/{webinar}/cta'] button"))
        speaker.click(f"form[action$='/{webinar}/stop'] button")
        speaker.click("dialog[open] [data-yes]")
        assert "Спасибо, что были с нами" in candidate.text("#thanks")
