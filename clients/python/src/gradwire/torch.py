"""A loss of the service as a PyTorch module: `loss.backward()` goes on with the gradient that the service returned."""

from collections.abc import Sequence
from typing import Any, Literal

try:
    import torch
    from torch import Tensor
    from torch.autograd.function import FunctionCtx
except ImportError as error:
    raise ImportError("gradwire.torch needs PyTorch: pip install 'gradwire[torch]'") from error

from gradwire.client import Client
from gradwire.reply import Reply

Targets = Tensor | Sequence[Sequence[int]] | Sequence[Tensor] | Sequence[int]
HALF = (torch.float16, torch.bfloat16)


class RemoteLoss(torch.nn.Module):
    """`RemoteLoss("http://127.0.0.1:8000", "focal", gamma=1.5)(scores, targets).backward()`.

    `params` are the loss's own parameters, which the service checks; the other options are those of `Client.grad`. Scores `[N, C]` may
    be of any float type, on any device, and the loss and its gradient are too: half precision is computed with in float32, and under
    autocast the loss is float32, as PyTorch's are. A step is one request: /grad where a gradient may be asked for, /loss where none can,
    as under `torch.no_grad()`. A second derivative is an error. Raises GradwireError.
    """

    class_weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        client: Client | str,
        loss: str | None = None,
        *,
        reduction: Literal["none", "sum", "mean"] = "mean",
        mean_over: Literal["rows", "elements", "weights", "valid", "positives"] | None = None,
        ignore_index: int | None = None,
        class_weight: Tensor | Sequence[float] | None = None,
        pos_weight: Tensor | Sequence[float] | float | None = None,
        runtime: Literal["pytorch", "onnx"] | None = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.client = Client(client) if isinstance(client, str) else client
        options = {"loss": loss, "reduction": reduction, "mean_over": mean_over, "ignore_index": ignore_index, "runtime": runtime}
        self.options = {name: value for name, value in options.items() if value is not None} | ({"params": params} if params else {})
        self.register_buffer("class_weight", None if class_weight is None else torch.as_tensor(class_weight))
        self.register_buffer("pos_weight", None if pos_weight is None else torch.as_tensor(pos_weight))

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # a request is nothing to compile
    def forward(
        self,
        scores: Tensor,
        targets: Targets,
        *,
        label_weights: Any = None,
        sample_weight: Tensor | None = None,
        element_weight: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores and targets -> the loss, reduced or as `reduction="none"` has it, `[N]` or `[N, C]`.

        `targets` are `[N, C]`, real numbers or booleans, a tensor of class indices `[N]`, or a list of them a row.
        """
        if torch.is_autocast_enabled(scores.device.type):
            scores = scores.float()
        weights = {"class_weight": self.class_weight, "pos_weight": self.pos_weight, "sample_weight": sample_weight}
        given = {**weights, "element_weight": element_weight, "mask": mask, "label_weights": label_weights}
        fields = {name: sent(value) for name, value in given.items() if value is not None}
        call = Request(self.client, {**self.options, **fields, **labels_of(targets)})
        if torch.is_grad_enabled() and scores.requires_grad:
            loss: Tensor = _Remote.apply(scores, call)  # type: ignore[no-untyped-call]
            return loss
        return like(call.loss(scores), scores)

    def extra_repr(self) -> str:
        """What stands in the brackets where a module is printed."""
        return ", ".join([repr(self.client.url), *(f"{name}={value!r}" for name, value in self.options.items())])


class Request:
    """What is asked of the service beside the scores."""

    def __init__(self, client: Client, fields: dict[str, Any]) -> None:
        self.client, self.fields = client, fields

    def loss(self, scores: Tensor) -> Any:
        """The loss alone."""
        return self.client.loss(sent(scores), **self.fields).loss

    def grad(self, scores: Tensor) -> Reply:
        """The loss, and the gradient of its sum."""
        return self.client.grad(sent(scores), **self.fields)


class _Remote(torch.autograd.Function):
    """The loss of the service. Of an unreduced loss each row belongs to its own scores, so that the gradient of the sum is enough."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, call: Request) -> Tensor:
        reply = call.grad(scores)
        ctx.save_for_backward(scores, torch.from_numpy(reply.grad).to(scores.device))
        return like(reply.loss, scores)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        scores, grad = ctx.saved_tensors
        given = upstream[0].to(grad.dtype)
        scaled = grad * (given.unsqueeze(1) if given.dim() == 1 else given)
        return _Once.apply(scaled.to(scores.dtype), scores), None  # type: ignore[no-untyped-call]


class _Once(torch.autograd.Function):
    """A gradient that depends on the scores in a way that the service does not tell."""

    @staticmethod
    def forward(ctx: FunctionCtx, grad: Tensor, scores: Tensor) -> Tensor:
        return grad.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, *upstream: Tensor) -> Any:
        raise NotImplementedError("gradwire returns first derivatives only: the gradient of RemoteLoss cannot be differentiated again")


def sent(value: Any) -> Any:
    """A tensor as an array on the CPU, half precision as float32; anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype in HALF else value).numpy()


def like(loss: Any, scores: Tensor) -> Tensor:
    """A loss as a tensor beside the scores."""
    return torch.as_tensor(loss).to(scores.device, scores.dtype)


def labels_of(targets: Targets) -> dict[str, Any]:
    """One class a row, a list of them a row, or dense targets."""
    if not isinstance(targets, Tensor):
        labels = [each.tolist() if isinstance(each, Tensor) else each for each in targets]
        return {"labels": labels}
    indices = targets.dim() == 1 and not targets.is_floating_point() and targets.dtype != torch.bool
    return {"labels" if indices else "targets": sent(targets)}
