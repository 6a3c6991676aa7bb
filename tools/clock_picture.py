"""A picture whose pixels carry the time at which it was drawn, read again from a video: its delay, its frames.

The code is 24 bits of milliseconds and 8 bits that check them, as black and white blocks along the upper edge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from playwright.sync_api import Page

MINUTE_MS = 60_000

# Replaces the camera with the clock and the microphone with a note; `drawn` has the code of every frame.
_CAMERA_JS = """(() => {
  const [width, height, fps] = %(size)s;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  window.drawn = [];
  const draw = () => {
    const code = Date.now() %% 2 ** 24;
    const bits = code + (code + (code >> 8) + (code >> 16) & 255) * 2 ** 24;
    context.fillStyle = `hsl(${code / 50 %% 360} 60%% 40%%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#fff";
    context.fillRect(code / 8 %% width, height / 2, 40, 40);
    for (let n = 0; n < 32; n += 1) {
      context.fillStyle = Math.floor(bits / 2 ** n) %% 2 ? "#fff" : "#000";
      context.fillRect(n * width / 32, 0, width / 32, height / 8);
    }
    window.drawn.push(code);
  };
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (!video) {
      const sound = new AudioContext();
      const [note, to] = [sound.createOscillator(), sound.createMediaStreamDestination()];
      note.connect(to);
      note.start();
      return to.stream;
    }
    if (!window.clock) window.clock = setInterval(draw, 1000 / fps);
    draw();
    return canvas.captureStream();
  };
})();"""

# What a page with `READ_JS` has read so far.
READ = "() => readSoFar()"

# Reads every frame that the page's video shows into `shown`: [code, its delay in ms]. Unreadable frames are counted,
# and what the browser counts: `presented`, of which a slow reader misses some, and `dropped`, which are not presented.
READ_JS = """() => {
  const video = document.querySelector("video");
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  const droppedBefore = video.getVideoPlaybackQuality().droppedVideoFrames;
  let first, last;
  Object.assign(window, { shown: [], unreadable: 0, stalls: 0 });
  window.readSoFar = () => ({
    shown, unreadable, stalls, presented: last - first + 1,
    dropped: video.getVideoPlaybackQuality().droppedVideoFrames - droppedBefore,
  });
  video.addEventListener("waiting", () => { window.stalls += 1; });
  const read = (_, { presentedFrames }) => {
    video.requestVideoFrameCallback(read);
    first ??= presentedFrames;
    last = presentedFrames;
    context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 16, 0, 0, 32, 1);
    const { data } = context.getImageData(0, 0, 32, 1);
    let [code, check] = [0, 0];
    for (let n = 0; n < 24; n += 1) if (data[n * 4] > 127) code += 2 ** n;
    for (let n = 0; n < 8; n += 1) if (data[(n + 24) * 4] > 127) check += 2 ** n;
    if ((code + (code >> 8) + (code >> 16) & 255) !== check) window.unreadable += 1;
    else window.shown.push([code, (Date.now() - code + 2 ** 24) % 2 ** 24]);
  };
  video.requestVideoFrameCallback(read);
}"""


def camera_script(width: int = 640, height: int = 360, fps: int = 20) -> str:
    """Return an init script for a page that asks for a camera."""
    return _CAMERA_JS % {"size": [width, height, fps]}


@dataclass(frozen=True)
class Shown:
    """What a viewer saw: delays in seconds, and how many of the frames sent meanwhile were shown."""

    delays: list[float]
    shown: int
    sent: int
    stalls: int
    unreadable: int
    presented: int
    dropped: int
    drift_s: float | None  # by how much the last minute is later than the first

    @property
    def share(self) -> float:
        """The share of the frames sent that reached the viewer's eye."""
        return self.shown / self.sent if self.sent else 0.0


def figures(sender: Page, read: dict[str, Any]) -> Shown:
    """Compare what the sender's page drew with `read`, which a viewer's page gives for `READ`."""
    return compare(sender.evaluate("drawn"), read)


def compare(drawn: Iterable[int], read: dict[str, Any]) -> Shown:
    """Compare the codes drawn with what a viewer's page read."""
    sent = set(drawn)
    codes = {code for code, _ in read["shown"]}
    first, last = (read["shown"][0][0], read["shown"][-1][0]) if read["shown"] else (0, -1)
    return Shown(
        delays=[delay / 1000 for _, delay in read["shown"]],
        shown=len(codes & sent),
        sent=sum(first <= code <= last for code in sent),
        stalls=read["stalls"],
        unreadable=read["unreadable"],
        presented=read["presented"],
        dropped=read["dropped"],
        drift_s=_drift(read["shown"]),
    )


def _drift(shown: list[tuple[int, int]]) -> float | None:
    """Compare the medians of the first and the last minute; None if there are no two minutes."""
    if not shown or shown[-1][0] - shown[0][0] < 2 * MINUTE_MS:
        return None
    first = [delay for code, delay in shown if code < shown[0][0] + MINUTE_MS]
    last = [delay for code, delay in shown if code > shown[-1][0] - MINUTE_MS]
    return (median(last) - median(first)) / 1000
