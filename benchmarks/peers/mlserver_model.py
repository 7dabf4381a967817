"""MLServer: the Open Inference Protocol, numbers in JSON or raw over gRPC."""

import numpy as np
from job import grad
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Loss(MLModel):
    """One batch a request."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Tensors both ways."""
        given = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        loss, found = grad(given["scores"], given["labels"])
        outputs = [NumpyCodec.encode_output("loss", np.array([loss], np.float32)), NumpyCodec.encode_output("grad", found)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
