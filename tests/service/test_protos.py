"""The messages are those that their .proto describes, and number their fields as the protocol does."""

import subprocess
import sys
from pathlib import Path

from service.protos import open_inference_pb2 as pb

ROOT = Path(__file__).parent.parent.parent


def test_the_python_is_what_the_compiler_writes(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts" / "write-protos", tmp_path], check=True, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"})
    for name in ("open_inference_pb2.py", "open_inference_pb2.pyi"):
        assert (tmp_path / "service" / "protos" / name).read_text() == (ROOT / "service" / "protos" / name).read_text()


def test_the_service_has_the_name_that_clients_call() -> None:
    assert pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name == "inference.GRPCInferenceService"
