"""Bundles and sessions: models ready to use. The only room that knows onnxruntime."""

import os

# Recent versions of onnxruntime write an id of the device into the user's cache and report to their
# maker as soon as they are imported, on every system. Nothing leaves this machine; the switch has had
# two names.
for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):
    os.environ[_name] = "1"
