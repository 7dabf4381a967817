"""Run with the official client's Python: each config.pbtxt named, parsed into Triton's own message, as a line of JSON."""

import sys
from pathlib import Path

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

for name in sys.argv[1:]:
    message = text_format.Parse(Path(name).read_text(), model_config_pb2.ModelConfig())
    print(json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None))
