"""LitServe: base64 in JSON, for a request is JSON."""

import base64
import sys

import litserve
from job import of_bytes


class Loss(litserve.LitAPI):
    """One batch a request."""

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def decode_request(self, request: dict) -> bytes:
        """The batch."""
        return base64.b64decode(request["batch"])

    def predict(self, batch: bytes) -> bytes:
        """Loss and gradient."""
        return of_bytes(batch)

    def encode_response(self, output: bytes) -> dict:
        """The reply."""
        return {"grad": base64.b64encode(output).decode()}


if __name__ == "__main__":
    litserve.LitServer(Loss(), accelerator="cpu", workers_per_device=1, timeout=60).run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
