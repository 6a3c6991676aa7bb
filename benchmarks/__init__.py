"""Benchmarks: each prints tables with its limit or its peer measured in the same run."""
