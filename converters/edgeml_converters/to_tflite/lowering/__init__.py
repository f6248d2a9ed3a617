"""ONNX operators as TensorFlow operators that TFLite has kernels for: one module a family of operators.

Each module exports `HANDLERS`, from an operator's name (`Gemm`, `ai.onnx.ml:Scaler`) to a `Handler`.
"""
