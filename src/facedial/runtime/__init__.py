"""Bundles and sessions: models ready to use. The only room that knows onnxruntime."""
