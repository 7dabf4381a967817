"""Triton Inference Server, by PyTriton: the Open Inference Protocol, binary over HTTP and gRPC."""

import sys
from typing import Any

import numpy as np
from job import grad
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def infer(requests: list[Any]) -> list[dict[str, np.ndarray]]:
    """One batch a request."""
    replies = []
    for each in requests:
        loss, found = grad(each["scores"], each["labels"])
        replies.append({"loss": np.array([loss], np.float32), "grad": found})
    return replies


if __name__ == "__main__":
    http, grpc, metrics = map(int, sys.argv[1:4])
    with Triton(config=TritonConfig(http_port=http, grpc_port=grpc, metrics_port=metrics, http_address="127.0.0.1")) as triton:
        triton.bind(
            model_name="loss",
            infer_func=infer,
            inputs=[Tensor(name="scores", dtype=np.float32, shape=(-1, -1)), Tensor(name="labels", dtype=np.int64, shape=(-1, -1))],
            outputs=[Tensor(name="loss", dtype=np.float32, shape=(-1,)), Tensor(name="grad", dtype=np.float32, shape=(-1, -1))],
            config=ModelConfig(batching=False),
        )
        triton.serve()
