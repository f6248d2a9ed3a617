"""Converters whose artifact is ONNX, one file each."""
