"""Runs of segments become one MP4: every frame and all of the sound, whatever their parameters, index first."""

from __future__ import annotations

from contextlib import closing

import av
import pytest

from efir.broadcast import assemble, media
from tests.support.recorder import record
from tests.support.segmenting import Cut, cut

INDEX_BYTES = 100_000


@pytest.fixture(scope="module")
def stereo():
    return cut(record(seconds=3))


@pytest.fixture(scope="module")
def mono():
    """A run with another picture and another sound."""
    return cut(record("flv", 3, audio="aac", layout="mono", size=(640, 360)), "flv")


def join(path, *runs: list[bytes], index_bytes: int = INDEX_BYTES) -> None:
    files = {f"{run}/{number}": data for run, names in enumerate(runs) for number, data in enumerate(names)}
    named = [[name for name in files if name.startswith(f"{run}/")] for run in range(len(runs))]
    inits = [run[0] for run in named]
    with closing(assemble.Joiner(path, inits, files.__getitem__, index_bytes)) as joiner:
        for run in named:
            joiner.add(run)


def measured(path) -> tuple[int, float]:
    """Return how many frames are decoded, and the seconds of sound."""
    with av.open(str(path)) as file:
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(str(path)) as file:
        return frames, sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


def boxes(path) -> list[bytes]:
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return names


@pytest.mark.parametrize("index_bytes", [INDEX_BYTES, 0])
def test_index_comes_first(stereo, tmp_path, index_bytes):
    path = tmp_path / "x.mp4"
    join(path, stereo.files, index_bytes=index_bytes)
    names = boxes(path)
    assert names.index(b"moov") < names.index(b"mdat")
    frames, sound = measured(path)
    assert frames == 90
    assert abs(sound - 3) < 0.1


def test_index_that_does_not_fit_is_an_error(stereo, tmp_path):
    with pytest.raises(av.FFmpegError):
        join(tmp_path / "x.mp4", stereo.files, index_bytes=100)


@pytest.mark.parametrize("order", [(0, 1, 0), (1, 0)])
def test_runs_with_other_parameters_follow_each_other(stereo, mono, tmp_path, order):
    runs = [[stereo, mono][each].files for each in order]
    join(tmp_path / "x.mp4", *runs)
    frames, sound = measured(tmp_path / "x.mp4")
    assert frames == 90 * len(runs)
    assert abs(sound - 3 * len(runs)) < 0.2 * len(runs)


def test_gap_in_sound_of_another_kind_stays_a_gap(stereo, mono, tmp_path):
    middle = mono.segments[1]
    assert middle["audio_media"]
    silent = Cut([mono.segments[0], *mono.segments[2:]])
    join(tmp_path / "x.mp4", stereo.files, silent.files)
    frames, sound = measured(tmp_path / "x.mp4")
    assert frames == 90 + silent.frames
    assert abs(sound - 5) < 0.4


def test_disk_keeps_the_databases_room(stereo, tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "MAX_UNSYNCED_BYTES", 1000)
    monkeypatch.setattr(media, "scratch_bytes", lambda: 999)
    with pytest.raises(av.FFmpegError):
        join(tmp_path / "x.mp4", stereo.files)
