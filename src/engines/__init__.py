"""What turns audio into text and text into audio: the one place where models are run."""

import os

# ONNX Runtime would tell Microsoft what runs here, and leave an id of this machine in the temporary folder
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
