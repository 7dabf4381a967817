"""What the fake server counts."""

import time
from collections.abc import Callable
from typing import Any

PARTS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit")


class Counts:
    """One model's, since the start."""

    def __init__(self) -> None:
        self.success = self.fail = self.last_ms = 0

    def counted(self, inference: Callable[[], Any]) -> Any:
        """The inference's answer, counted as a success or a failure."""
        self.fail += 1
        answer = inference()
        self.fail, self.success, self.last_ms = self.fail - 1, self.success + 1, int(time.time() * 1000)
        return answer

    def stats(self) -> Any:
        """As a $stats_model_response."""
        taken = {part: {"count": 0 if part == "cache_hit" else self.success, "ns": 1000 * self.success} for part in PARTS}
        taken["fail"]["count"] = self.fail
        batch = {"batch_size": 1} | {part: taken[part] for part in ("compute_input", "compute_infer", "compute_output")}
        counts = {"last_inference": self.last_ms, "inference_count": self.success, "execution_count": self.success}
        return {"model_stats": [{"name": "sum", "version": "1"} | counts | {"inference_stats": taken, "batch_stats": [batch]}]}
