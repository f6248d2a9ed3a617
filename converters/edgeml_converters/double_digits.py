"""How a graph says that what follows needs float64's digits, not only may have them."""

from __future__ import annotations

DOUBLE_DIGITS = "needs the digits of float64"
"""The doc_string of an ONNX Cast to float64 whose values an engine without float64 must not round."""
LOW = "/low"
"""Behind a float64 constant's name: what float32 leaves of it."""
