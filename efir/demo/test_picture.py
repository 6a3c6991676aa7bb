"""A moving test picture with sound, sent to a webinar as the studio does, so that the demo needs no camera."""

from __future__ import annotations

import math
import threading
import time
from array import array
from fractions import Fraction
from uuid import UUID

import av
import structlog
from django.db import connections
from PIL import Image, ImageDraw, ImageFont

from efir.accounts.models import Person
from efir.broadcast import ingest
from efir.broadcast.models import SessionSource
from efir.demo.posters import draw_poster
from efir.lib import clock

WIDTH, HEIGHT, FPS = 640, 360, 15
SOUND_HZ = 48_000
# A soft tone in the first quarter of every second.
NOTE_HZ, LOUDNESS, NOTE_S = 440.0, 0.12, 0.25
BALL = 28
BIT_RATE = 500_000

log = structlog.get_logger(__name__)


class Sink:
    """A file that only grows; `take` returns what was written since it was called last."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class TestPicture(threading.Thread):
    """Sends the picture to one webinar until it is stopped, or until the webinar refuses it."""

    __test__ = False  # not a test, as pytest would think

    def __init__(self, webinar_id: int, person: Person) -> None:
        super().__init__(name=f"test-picture-{webinar_id}", daemon=True)
        self.webinar_id = webinar_id
        self.person = person
        self._stopped = threading.Event()
        session = ingest.open_session(
            webinar_id, person, source=SessionSource.BROWSER, mime="video/mp4", take_over=True
        )
        self._session_id: UUID = session.pk

    def stop(self) -> None:
        """End the session, and wait until nothing more is sent."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        try:
            self._send()
            ingest.end_session(self._session_id, webinar_id=self.webinar_id, person=self.person)
        except ingest.BroadcastRefused as refused:
            log.info("test_picture_ended", webinar_id=self.webinar_id, code=refused.code)
        finally:
            connections.close_all()

    def _send(self) -> None:
        sink = Sink()
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        with av.open(sink, "w", format="mp4", options=options) as container:
            video = container.add_stream(
                "libx264",
                rate=FPS,
                options={"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "bf": "0"},
            )
            video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", BIT_RATE
            sound = container.add_stream("aac", rate=SOUND_HZ, layout="mono")
            backdrop = draw_poster(0).resize((WIDTH, HEIGHT))
            font, second = ImageFont.load_default(28), _second_of_sound()
            began, chunk = time.monotonic(), 0
            for number in range(24 * 3600 * FPS):
                if self._stopped.wait(max(0.0, began + number / FPS - time.monotonic())):
                    return
                frame = av.VideoFrame.from_image(_picture(number, backdrop, font))  # type: ignore[no-untyped-call]  # PyAV's
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(video.encode(frame))
                container.mux(sound.encode(_sound(number, second)))
                if data := sink.take():
                    ingest.accept_chunk(
                        self._session_id, chunk, data, webinar_id=self.webinar_id, person=self.person
                    )
                    chunk += 1


def _picture(
    number: int, backdrop: Image.Image, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    """Return one frame: the time of day, and a ball that runs along a wave."""
    image = backdrop.copy()
    draw = ImageDraw.Draw(image)
    phase = number / FPS
    x = (WIDTH + 2 * BALL) * (phase / 6 % 1) - BALL
    y = HEIGHT * (0.6 + 0.18 * math.sin(2 * math.pi * phase / 2))
    draw.circle((x, y), BALL, fill=(255, 224, 178))
    text = clock.now().strftime("%H:%M:%S UTC")
    draw.text((24, 20), text, font=font, fill="white", stroke_width=2, stroke_fill=(20, 12, 50))
    return image


def _second_of_sound() -> array[float]:
    """Return the samples of one second, which repeats: a note that fades in and out, then silence."""
    samples = array("f", bytes(4 * SOUND_HZ))
    length = int(NOTE_S * SOUND_HZ)
    for number in range(length):
        fade = math.sin(math.pi * number / length)
        samples[number] = LOUDNESS * fade * math.sin(2 * math.pi * NOTE_HZ * number / SOUND_HZ)
    return samples


def _sound(number: int, second: array[float]) -> av.AudioFrame:
    """Return the sound that belongs to one frame."""
    count = SOUND_HZ // FPS
    first = number % FPS * count
    frame = av.AudioFrame(format="flt", layout="mono", samples=count)
    frame.planes[0].update(second[first : first + count].tobytes())
    frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, number * count, Fraction(1, SOUND_HZ)
    return frame


_running: dict[int, TestPicture] = {}


def is_running(webinar_id: int) -> bool:
    """Return whether this process sends the picture to this webinar."""
    sender = _running.get(webinar_id)
    return bool(sender and sender.is_alive())


def start(webinar_id: int, person: Person) -> None:
    """Begin to send to this webinar. Raises BroadcastRefused."""
    if not is_running(webinar_id):
        _running[webinar_id] = TestPicture(webinar_id, person)
        _running[webinar_id].start()


def stop(webinar_id: int) -> None:
    """Stop sending to this webinar."""
    if sender := _running.pop(webinar_id, None):
        sender.stop()
