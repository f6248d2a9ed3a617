"""The model compiler for edge devices."""
