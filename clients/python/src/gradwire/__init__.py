"""Client of gradwire: multi-label losses and their exact gradients. `gradwire.torch` has the same as a PyTorch module."""

from gradwire.client import Client
from gradwire.errors import BadReply, FieldError, GradwireError, Refused, TimedOut, Unreachable
from gradwire.reply import LossReply, Reply
from gradwire.version import __version__

__all__ = [
    "BadReply",
    "Client",
    "FieldError",
    "GradwireError",
    "LossReply",
    "Refused",
    "Reply",
    "TimedOut",
    "Unreachable",
    "__version__",
]
