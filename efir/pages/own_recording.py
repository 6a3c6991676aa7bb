"""The state of the webinar's own recording for the speaker's page."""

from __future__ import annotations

from dataclasses import dataclass

from efir.attendance.labels import format_duration
from efir.broadcast import recordings
from efir.broadcast.models import RecordingState
from efir.webinars.lifecycle import Video
from efir.webinars.models import Webinar

# Less than this is lost at each change of the container, which is not worth mentioning.
WORTH_TELLING_S = 5.0


@dataclass(frozen=True)
class OwnRecording:
    """`state`: "later" (the webinar is not over), "none", "preparing", "ready", "published" or "deleted"."""

    state: str
    url: str = ""
    length: str = ""
    missing: str = ""
    has_file: bool = True

    @property
    def is_over(self) -> bool:
        return self.state != "later"


def own_recording_of(webinar: Webinar) -> OwnRecording | None:
    """Return the state of the own recording; None for a webinar whose video is not its own."""
    if webinar.video != Video.OWN:
        return None
    if webinar.finished_at is None:
        return OwnRecording("later")
    recording = recordings.find(webinar)
    if recording is None:
        return OwnRecording("preparing" if recordings.is_expected(webinar) else "none")
    if recording.state == RecordingState.DELETED and not recording.seconds:
        return OwnRecording("none")
    if recording.state != RecordingState.READY:
        return OwnRecording(recording.state)
    missing = recording.missing_s if recording.missing_s >= WORTH_TELLING_S else 0
    return OwnRecording(
        "published" if recordings.is_published(webinar, recording) else "ready",
        url=recordings.path_of(recording),
        length=format_duration(recording.seconds),
        missing=format_duration(missing) if missing else "",
        has_file=bool(recording.file),
    )
