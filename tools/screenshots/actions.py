"""What a visitor does on a page to bring it into its state.

Selectors instead of texts: the page is in either language.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import Page, Route, expect

Action = Callable[[Page], None]

HLS_HOST = "live.example.org"
# Of the fixtures' speaker who has a second factor.
GUARDED, PASSWORD, RECOVERY_CODE = "guarded", "efir-screenshot-password", "reco-very-code"
CORS_HEADERS = {"Access-Control-Allow-Origin": "*"}
SEGMENTS_FOLDER = Path(__file__).parents[2] / "tests" / "support" / "hls"
PLAYLIST = "\n".join(
    ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0"]
    + ["#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\npart0.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\npart1.ts"] * 9
)

# A stream whose only message is the current state, changed to live.
START_EVENT_JS = """
window.EventSource = class extends EventTarget {
  constructor(address) { super(); this.say(address.match(/[0-9]+/)[0]); }
  async say(id) {
    const state = await (await fetch(`/api/webinars/${id}/state`)).json();
    Object.assign(state, { status: "live", viewers: 1, started_at: state.server_time, version: state.version + 1 });
    this.dispatchEvent(new MessageEvent("state", { data: JSON.stringify(state) }));
  }
  close() {}
};
"""


def _submit(page: Page, within: str = "main form") -> None:
    """Press the last button of the first form, without the browser's validation: the server should answer."""
    form = page.locator(within).first
    form.evaluate("form => { form.noValidate = true; }")
    with page.expect_navigation():
        form.locator("button:not([formaction])").last.click()


def sign_up_wrong(page: Page) -> None:
    page.fill("[name=name]", "Катя")
    page.fill("[name=username]", "катя")
    page.fill("[name=password]", "12345678")
    _submit(page)


def choose_role(page: Page) -> None:
    form = page.locator("form[action$='/role']").first
    form.locator("select").select_option("leader")
    with page.expect_navigation():
        form.locator("button").click()


def log_in_wrong(page: Page) -> None:
    page.fill("[name=username]", "nobody@example.org")
    page.fill("[name=password]", "not-my-password")
    _submit(page)


def log_in_without_cookies(page: Page) -> None:
    page.context.clear_cookies(name="csrftoken")
    log_in_wrong(page)


def ask_for_password(page: Page) -> None:
    page.fill("[name=username]", "nobody@example.org")
    _submit(page)


def ask_too_often(page: Page) -> None:
    """Ask three times by script and once more by the form, each time for a new login."""
    page.fill("[name=username]", f"{uuid4()}@example.org")
    page.locator("main form").first.evaluate(
        "async (form) => { for (let i = 0; i < 3; i++)"
        " await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) }); }"
    )
    _submit(page)


def type_guarded_password(page: Page) -> None:
    page.fill("[name=username]", GUARDED)
    page.fill("[name=password]", PASSWORD)
    _submit(page)


def type_code_wrong(page: Page) -> None:
    type_guarded_password(page)
    page.fill("[name=code]", "000000")
    _submit(page)


def ask_for_recovery_code(page: Page) -> None:
    type_guarded_password(page)
    with page.expect_navigation():
        page.locator("a[href*='recovery=1']").click()


def begin_second_factor(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/begin'] button").click()


def ask_to_switch_off(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/off'] button").click()


# The codes end when new ones are shown, so the next visit uses one of those.
_recovery_codes: dict[str, str] = {}


def show_recovery_codes(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/codes'] button").click()
    site = page.url.partition("/account/")[0]
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=code]", _recovery_codes.get(site, RECOVERY_CODE))
    _submit(page)
    _recovery_codes[site] = page.locator(".recovery-codes code").first.inner_text()


def ask_to_reset_second_factor(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/second_factor_reset'] button").click()


def change_contacts_wrong(page: Page) -> None:
    page.fill("#contact-details [name=email]", "не адрес")
    _submit(page, "#contact-details form")


def change_password_wrong(page: Page) -> None:
    page.fill("[name=old_password]", "not-my-password")
    page.fill("[name=new_password1]", "123")
    page.fill("[name=new_password2]", "456")
    _submit(page)


def export_data_wrong(page: Page) -> None:
    page.fill("#export input[type=password]", "not-my-password")
    _submit(page, "#export form")


def show_qr(page: Page) -> None:
    with page.expect_navigation():
        page.locator("#telegram form[action$=qr] button").click()


def type_password_wrong(page: Page) -> None:
    show_qr(page)
    page.fill("main [name=password]", "not-my-password")
    _submit(page)


def create_webinar_wrong(page: Page) -> None:
    page.fill("[name=title]", "Вебинар с чужим плеером")
    page.select_option("[name=video]", "embed")  # the own broadcast hides the field of the player
    page.fill("[name=player_url]", "https://video.example.com/watch/1")
    page.fill("[name=time_zone]", "Europe/Moskva")
    _submit(page)


def upload_poster_wrong(page: Page) -> None:
    poster = {"name": "poster.png", "mimeType": "image/png", "buffer": b"not a picture"}
    page.set_input_files("[name=poster]", poster)
    _submit(page, "form:has([name=poster])")


def ask_to_remind(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/remind'] button").click()


def ask_to_delete(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/delete'] button").click()


def try_player(page: Page, address: str = "") -> None:
    """Try the player in the same tab, which the screenshot shows."""
    if address:
        page.select_option("[name=video]", "embed")
        page.fill("[name=player_url]", address)
    button = page.locator("button[formaction]")
    button.evaluate("(button) => button.removeAttribute('formtarget')")
    with page.expect_navigation():
        button.click()


def try_wrong_player(page: Page) -> None:
    try_player(page, "https://video.example.com/watch/1")


def copy_webinar(page: Page) -> None:
    with page.expect_navigation():
        page.locator("form[action$='/copy'] button").click()


def ask_to_stop(page: Page) -> None:
    page.locator("form[action$='/stop'] button").click()
    expect(page.locator("dialog#confirm")).to_be_visible()


def ask_to_resolve_verdict(page: Page) -> None:
    page.locator("#verdicts form[data-confirm] button").first.click()
    expect(page.locator("dialog#confirm")).to_be_visible()


def open_advanced_fields(page: Page) -> None:
    page.locator("details.gear > summary").click()


def enter_broadcast(page: Page) -> None:
    page.locator("#enter-button").click()
    expect(page.frame_locator("#player iframe").locator("body")).to_be_visible()


def enter_in_another_tab(page: Page) -> None:
    """Enter in a second tab: the first one stops playing and says so."""
    enter_broadcast(page)
    other = page.context.new_page()
    other.goto(page.url)
    enter_broadcast(other)
    expect(page.locator("#enter-button")).to_be_visible()


def announce_start(page: Page) -> None:
    """Show the start as the stream announces it; the webinar itself keeps waiting."""
    page.add_init_script(START_EVENT_JS)
    page.reload()
    expect(page.locator("#enter-button")).to_be_visible()


def watch_hls(page: Page) -> None:
    """Play HLS from a server that repeats two parts."""
    page.route(f"https://{HLS_HOST}/**", _serve_hls)
    page.locator("#enter-button").click()
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")


def watch_before_stream_exists(page: Page) -> None:
    """Enter while the media server has no stream yet."""
    page.route(f"https://{HLS_HOST}/**", lambda route: route.fulfill(status=404, headers=CORS_HEADERS))
    page.locator("#enter-button").click()
    expect(page.locator("#player-says")).not_to_be_empty()


def _serve_hls(route: Route) -> None:
    name = route.request.url.partition("?")[0].rpartition("/")[2]
    if name.endswith(".ts"):
        body, kind = (SEGMENTS_FOLDER / name).read_bytes(), "video/mp2t"
    else:
        body, kind = PLAYLIST.encode(), "application/vnd.apple.mpegurl"
    route.fulfill(body=body, content_type=kind, headers=CORS_HEADERS)


def watch_own(page: Page) -> None:
    """Play the own broadcast from a server that repeats two parts."""
    page.route("**/video/**", _serve_hls)
    page.locator("#enter-button").click()
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")


def listen_to_own(page: Page) -> None:
    watch_own(page)
    page.locator("#sound-only").click()


def watch_own_smaller(page: Page) -> None:
    watch_own(page)
    page.locator("#small-picture").click()


def watch_own_in_vain(page: Page) -> None:
    """Enter before the speaker sends anything."""
    page.route("**/video/**", lambda route: route.fulfill(status=404))
    page.locator("#enter-button").click()


def miss_the_picture(page: Page) -> None:
    enter_broadcast(page)
    page.locator("#no-picture-open").click()


# A camera that shows the same picture to every screenshot, and a microphone with a steady note.
STILL_CAMERA_JS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const context = canvas.getContext("2d");
  const draw = () => {
    const light = context.createRadialGradient(640, 300, 60, 640, 360, 800);
    light.addColorStop(0, "#ffd9a8");
    light.addColorStop(1, "#3a2b57");
    context.fillStyle = light;
    context.fillRect(0, 0, 1280, 720);
    context.fillStyle = "#20183c";
    context.beginPath();
    context.arc(640, 300, 130, 0, 7);
    context.ellipse(640, 720, 300, 270, 0, 0, 7);
    context.fill();
  };
  draw();
  setInterval(draw, 100);
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (video) return canvas.captureStream(10);
    const sound = new AudioContext();
    const note = sound.createOscillator();
    const to = sound.createMediaStreamDestination();
    note.connect(to);
    note.start();
    return to.stream;
  };
}"""


def open_studio(page: Page) -> None:
    """Switch the camera on; the server takes everything."""
    _answer_studio(page)
    page.evaluate(STILL_CAMERA_JS)
    page.locator("#begin-button").click()


def show_stream_key(page: Page) -> None:
    """Unfold what OBS needs and ask for the key, which is always the same here."""
    key = {"address": "rtmp://webinars.example.org:1935/live", "key": "m3Xq7uT0cV5zKpB1sYw9aLdR2eHnJf4G"}
    page.route("**/stream_key", lambda route: route.fulfill(json=key))
    page.locator("#encoder summary").click()
    page.locator("#stream-key button[type=submit]").click()


def open_studio_without_devices(page: Page) -> None:
    page.locator("#begin-button").click()


def open_taken_studio(page: Page) -> None:
    """Switch the camera on while another device sends."""
    _answer_studio(page, status=409, body='{"error": "broadcast_taken"}')
    page.evaluate(STILL_CAMERA_JS)
    page.locator("#begin-button").click()


def lose_the_broadcast(page: Page) -> None:
    """Send until another device takes over."""
    open_studio(page)
    page.locator("#signal[data-state=on]").wait_for()
    page.route(
        "**/broadcast/chunks/*",
        lambda route: route.fulfill(status=410, json={"error": "broadcast_superseded"}),
    )


def _answer_studio(page: Page, status: int = 201, body: str = "") -> None:
    session = '{"session": "x", "chunk_url": "/broadcast/chunks/", "max_chunk_bytes": 4000000}'
    page.route("**/broadcast", lambda route: route.fulfill(status=status, body=body or session))
    page.route("**/broadcast/chunks/*", lambda route: route.fulfill(status=204))


def open_people(page: Page) -> None:
    page.locator("#talk-tab-people").click()
    expect(page.locator("#people-list li").first).to_be_visible(timeout=30_000)


def lose_connection(page: Page) -> None:
    """Lose the room's stream, as if the network were gone."""
    page.route("**/stream*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#lost")).to_be_visible(timeout=30_000)


def send_a_link(page: Page) -> None:
    page.fill("#talk-text", "Подскажите, это то же самое, что на example.org?")
    with page.expect_navigation():
        page.locator("#talk-form button[value=message]").click()


def open_talk_menu(page: Page) -> None:
    """Open the menu of a message, as those who moderate have it."""
    page.locator(".talk-log .talk-menu > summary").last.click()
    expect(page.locator(".talk-menu[open] button").first).to_be_visible()
