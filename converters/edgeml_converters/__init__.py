"""Trained models in, artifacts out: sources, converters and the graph of routes between them."""
