"""Fragments of MP4 with other times, so that a short recording goes on for as long as a benchmark needs it."""

from __future__ import annotations

import struct


def timescales(header: bytes) -> dict[int, int]:
    """Return the steps of a second of each track, by its id (ISO/IEC 14496-12: `tkhd`, `mdhd`)."""
    found, at, track = {}, 0, 0
    while (at := header.find(b"hd", at)) >= 0:
        if (name := header[at - 2 : at + 2]) in (b"tkhd", b"mdhd"):
            # Version 1 has two times of eight bytes before this field, version 0 of four.
            (value,) = struct.unpack_from(">I", header, at + (22 if header[at + 2] else 14))
            if name == b"tkhd":
                track = value
            else:
                found[track] = value
        at += 2
    return found


def shifted(fragment: bytes, seconds: int, scales: dict[int, int]) -> bytes:
    """Return the fragment with its decode times (`tfdt`) moved on."""
    data, at = bytearray(fragment), 0
    track = 1
    while (at := data.find(b"tf", at)) >= 0:
        if data[at : at + 4] == b"tfhd":
            (track,) = struct.unpack_from(">I", data, at + 8)
        elif data[at : at + 4] == b"tfdt":
            form = ">Q" if data[at + 4] == 1 else ">I"
            (moment,) = struct.unpack_from(form, data, at + 8)
            struct.pack_into(form, data, at + 8, moment + seconds * scales[track])
        elif data[at - 4 : at] == b"mdat":
            break
        at += 2
    return bytes(data)
