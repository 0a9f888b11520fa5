"""Browsers as devices: a page served from here runs networks with ONNX Runtime Web and sends timings back."""
