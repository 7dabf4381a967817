"""A model for KServe's Python server: left + right, and the total of all."""

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput
from kserve.utils.utils import generate_uuid


class SumModel(Model):
    """Two inputs [N, 3], two outputs."""

    def load(self) -> bool:
        """Nothing to load."""
        self.ready = True
        return True

    def get_input_types(self) -> list[dict]:
        """As in the model's metadata."""
        return [{"name": name, "datatype": "FP32", "shape": [-1, 3]} for name in ("left", "right")]

    def get_output_types(self) -> list[dict]:
        """As in the model's metadata."""
        return [{"name": "sum", "datatype": "FP32", "shape": [-1, 3]}, {"name": "total", "datatype": "FP32", "shape": [1]}]

    async def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        """The outputs in the order of the metadata."""
        given = {each.name: each.as_numpy() for each in payload.inputs}
        if given.keys() != {"left", "right"}:
            raise InvalidInput("the inputs are left and right")
        total = given["left"] + given["right"]
        outputs = []
        for name, array in {"sum": total, "total": np.array([total.sum()], total.dtype)}.items():
            output = InferOutput(name=name, shape=list(array.shape), datatype="FP32")
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        # As kserve.utils.get_predict_response() answers, which knows one output only.
        return InferResponse(
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    model = SumModel("sum")
    model.load()
    ModelServer(http_port=18090, grpc_port=18091, workers=1).start([model])
