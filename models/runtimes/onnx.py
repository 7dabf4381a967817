"""ONNX Runtime runs the exported graphs, loss and gradient; nothing here needs PyTorch."""

import contextlib
import os
import threading
from typing import Any

import cachetools
import numpy as np
from cachetools import LRUCache
from cachetools.keys import hashkey

os.putenv("ORT_DISABLE_TELEMETRY", "1")  # before the import: onnxruntime 1.29 and later report to their maker by default
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from models.contract import Job, Result
from models.export import Graphs
from models.graph import GraphSpec
from models.plan import Plan, plan
from models.runtimes.warm_up import warm_up_jobs

ERRORS_ONLY = 3
QUICK = 1 << 12  # numbers


class OnnxRuntime:
    """Runtime over ONNX graphs; a session is made once for each kind of job and kept."""

    name = "onnx"
    computes_by = "graphs of the equations"
    device = "cpu"

    def __init__(self, graphs: Graphs, threads: int = 1, sessions: int = 256) -> None:
        self.graphs = graphs
        with contextlib.suppress(Fail):  # one pool for all sessions of a process: the first runtime has made it
            onnxruntime.set_global_thread_pool_sizes(threads, 1)
        self.sessions: LRUCache[Any, onnxruntime.InferenceSession] = LRUCache(sessions)
        self.session = cachetools.cached(self.sessions, lock=threading.Lock(), info=True)(self._session)

    def quick(self, job: Job) -> bool:
        """Whether it takes a few milliseconds at most: a small batch, whose graph is loaded."""
        return job.scores.size <= QUICK and hashkey(for_job(plan(job)[0], job)[0]) in self.sessions

    def run(self, job: Job) -> Result:
        """Compute the job; raises NumericOverflow where its dtype cannot hold the result."""
        shape, arrays = plan(job)
        spec, free = for_job(shape, job)
        loss, *grad = self.session(spec).run(None, arrays | free)
        return Result(loss=loss, grad=grad[0] if grad else None)

    def warm_up(self) -> None:
        """Load the graphs of the usual jobs, and run them."""
        for job in warm_up_jobs():
            self.run(job)

    def _session(self, spec: GraphSpec) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.use_per_session_threads = False
        options.log_severity_level = ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # an arena keeps the memory of the largest batch, in every session
        options.enable_mem_pattern = False
        return onnxruntime.InferenceSession(self.graphs.get(spec), options, providers=["CPUExecutionProvider"])


def for_job(shape: Plan, job: Job) -> tuple[GraphSpec, dict[str, Any]]:
    """The graph that runs the job, and the parameters it takes as inputs.

    A number other than the default, 0 and 1 is an input: so the graphs are few, and no request can ask for one after another.
    """
    defaults = {name: each.default for name, each in shape.loss.params.model_fields.items()}
    by_class = {name: value for name, value in job.params.items() if isinstance(value, np.ndarray)}
    free = by_class | {
        name: np.asarray(value, job.dtype)
        for name, value in job.params.items()
        if isinstance(value, float) and value not in (defaults[name], 0.0, 1.0)
    }
    constants = tuple(sorted((name, value) for name, value in job.params.items() if name not in free))
    return GraphSpec(shape, constants, tuple(sorted(free)), job.dtype, by_class=tuple(sorted(by_class))), free
