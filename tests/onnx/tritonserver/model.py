"""Stands in for Triton's ONNX Runtime backend, which no Python package brings: the server itself is the real one, and reads config.pbtxt.

Triton takes a backend's name for a folder with this file in it. What it must do like the other: a number without axes is a list of one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One model of the repository."""

    @staticmethod
    def auto_complete_config(config: Any) -> Any:
        """Nothing is added: the repository says everything itself."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph."""
        self.config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        file = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One after another."""
        return [self.computed(request) for request in requests]

    def computed(self, request: Any) -> Any:
        """The graph's outputs for the request's inputs."""
        axes = {each.name: len(each.shape) for each in self.session.get_inputs()}
        names = [each["name"] for each in self.config["input"]]
        feeds = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in names}
        outputs = self.session.run(None, {name: feed if axes[name] else feed.reshape(()) for name, feed in feeds.items()})
        named = zip(self.config["output"], outputs, strict=True)
        return triton.InferenceResponse([triton.Tensor(each["name"], np.atleast_1d(output)) for each, output in named])
