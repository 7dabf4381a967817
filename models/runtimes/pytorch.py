"""PyTorch runs the equations as they stand, on the CPU or on a GPU; on the CPU, a fused kernel takes the place of some of them."""

from typing import cast

import numpy as np
import torch

from models.buffers import BUFFERS
from models.checks import Array
from models.contract import Job, Result
from models.errors import DeviceFault, DeviceUnavailable, OutOfMemory
from models.kernel import evaluate
from models.plan import plan
from models.runtimes import native
from models.runtimes.warm_up import warm_up_jobs
from models.tensor import Tensor

NO_MEMORY = "can't allocate memory"  # how PyTorch says so of a CPU
QUICK = 1 << 12  # numbers that any equation takes a few milliseconds for at most
QUICK_FUSED_BYTES, QUICK_FUSED_ROWS = 5 << 18, 1 << 11  # which the fused kernel does
WORTH_THREADS = 1 << 16  # numbers; with fewer, waking another thread takes longer than the work


class PyTorch:
    """Runtime over torch tensors; arrays that are already on the host are not copied for the CPU.

    Raises DeviceUnavailable where there is no such device. `fused`: whether to use the fused kernel, where it was built.
    """

    name = "pytorch"

    def __init__(self, device: str = "cpu", threads: int = 1, *, fused: bool = True) -> None:
        found = torch.cuda.device_count()
        wanted = torch.device(device)
        if wanted.type == "cuda" and (wanted.index or 0) >= found:
            raise DeviceUnavailable(f"no device {device}: PyTorch {torch.__version__} finds {found} CUDA device(s) here")
        self.device, self.threads = device, threads
        missing = native.missing() if fused and wanted.type == "cpu" else "not used"
        self.fused = missing is None
        self.computes_by = "its fused kernel" if self.fused else f"the equations alone (fused kernel: {missing})"

    def quick(self, job: Job) -> bool:
        """Whether it takes a few milliseconds at most: a small batch, or a larger one for the fused kernel."""
        if self.fused and native.covered(job):
            return job.scores.nbytes <= QUICK_FUSED_BYTES and job.shape[0] <= QUICK_FUSED_ROWS
        return job.scores.size <= QUICK

    def run(self, job: Job) -> Result:
        """Compute the job; raises NumericOverflow where its dtype cannot hold the result."""
        torch.set_num_threads(self.threads if job.scores.size >= WORTH_THREADS else 1)  # of the calling thread
        try:
            with torch.inference_mode():
                fused = self.fused and native.covered(job)
                loss, grad = native.evaluate(job, self.to_device, room(job)) if fused else self.by_equations(job)
                return Result(loss=to_host(loss), grad=None if grad is None else to_host(grad))
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{self.device} has not the memory for a batch of {list(job.shape)}; send fewer rows at a time") from error
        except torch.AcceleratorError as error:  # what CUDA calls sticky: no later call of this process will work
            raise DeviceFault(f"{self.device}: {error}") from error
        except RuntimeError as error:
            if NO_MEMORY in str(error):
                raise MemoryError(str(error)) from error
            raise

    def by_equations(self, job: Job) -> tuple[Tensor, Tensor | None]:
        """The loss's own formula, and what `models.kernel` puts around it."""
        shape, arrays = plan(job)
        tensors = {name: cast(Tensor, self.to_device(array)) for name, array in arrays.items()}
        params = {name: self.to_device(each) if isinstance(each, np.ndarray) else each for name, each in job.params.items()}
        return evaluate(shape, params, tensors)

    def warm_up(self) -> None:
        """Run a small batch of every kind."""
        for job in warm_up_jobs():
            self.run(job)

    def to_device(self, array: Array) -> torch.Tensor:
        """Host array -> tensor, sharing memory on the CPU wherever torch can: not with what is laid out backwards, or between words."""
        if not array.flags.aligned or min(array.strides, default=0) < 0:
            array = array.copy()
        share = torch.from_numpy if array.flags.writeable else torch.utils.dlpack.from_dlpack  # nothing here writes into what it is given
        return share(array).to(self.device)


def room(job: Job) -> torch.Tensor | None:
    """Memory for the gradient."""
    return torch.from_numpy(BUFFERS.empty(job.shape, job.dtype)) if job.wants_grad else None


def memory(device: str) -> dict[str, int]:
    """Bytes of a GPU's memory: in use by tensors, held by PyTorch, free, and all there is."""
    free, total = torch.cuda.mem_get_info(device)
    return {"used": torch.cuda.memory_allocated(device), "held": torch.cuda.memory_reserved(device), "free": free, "total": total}


def to_host(tensor: torch.Tensor | Tensor) -> Array:
    """Tensor -> host array, sharing memory on the CPU."""
    return cast(torch.Tensor, tensor).cpu().numpy()
