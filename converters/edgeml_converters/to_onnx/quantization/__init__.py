"""How float32 ONNX graphs become float16 and int8: one pass a file, `to_onnx/quantize.py` calls them."""
