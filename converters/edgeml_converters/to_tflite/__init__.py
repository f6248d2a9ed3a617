"""Converters whose artifact is TFLite, one file each."""
