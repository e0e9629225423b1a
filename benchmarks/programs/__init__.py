"""Processes that the benchmarks start: a camera, a listener."""
