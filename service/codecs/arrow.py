"""Being written."""

from service.codec import Codec

CODEC = Codec("application/vnd.apache.arrow.stream", lambda *_: {}, lambda _: [])
