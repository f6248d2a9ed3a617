"""Fitted scikit-learn estimators as ONNX nodes: `rules` says which, `emitter` how they come together."""
