"""Verify, run and benchmark edgeml bundles: numpy and at most one engine."""
