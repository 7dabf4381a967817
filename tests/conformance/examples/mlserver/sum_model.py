"""A model for MLServer: left + right, and the total of all."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse


class SumModel(MLModel):
    """Two inputs [N, 3], two outputs."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        if given.keys() != {"left", "right"}:
            raise InferenceError("the inputs are left and right")
        total = given["left"] + given["right"]
        outputs = {"sum": total, "total": np.array([[total.sum()]], total.dtype)}
        wanted = [each.name for each in payload.outputs or []] or list(outputs)
        if not outputs.keys() >= set(wanted):
            raise InferenceError(f"the outputs are {list(outputs)}")
        encoded = [NumpyCodec.encode_output(name, outputs[name]) for name in wanted]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=encoded)
