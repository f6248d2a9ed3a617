"""Latency of a device that is not on the desk: an estimate with its interval, or why there is none."""
