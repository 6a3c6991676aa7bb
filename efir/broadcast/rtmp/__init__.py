"""RTMP, as OBS and other encoders send it: a small server that turns one publication into an FLV byte stream.

It follows Adobe's RTMP specification 1.0 (2012) and Action Message Format AMF 0 (2007), in the parts that a publisher
needs. RTMP is plain text: docs/obs.md says so.
"""
