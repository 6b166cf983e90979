"""FastAPI and onnxruntime as one writes it in an hour: a checked body, a handler on FastAPI's thread pool, a run a request."""

import uvicorn
from fastapi import FastAPI
from open_inference import describe_output, open_session, read_flags, read_tensor
from pydantic import BaseModel


class InputTensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class InferRequest(BaseModel):
    inputs: list[InputTensor]


flags = read_flags()
session = open_session(flags.model, flags.threads)
output_name = session.get_outputs()[0].name
app = FastAPI()


@app.get("/v2/health/ready")
def ready() -> dict:
    return {"ready": True}


@app.post(flags.path)
def infer(request: InferRequest) -> dict:
    feeds = {tensor.name: read_tensor(tensor.datatype, tensor.shape, tensor.data) for tensor in request.inputs}
    return describe_output(output_name, session.run(None, feeds)[0])


uvicorn.run(app, host="127.0.0.1", port=flags.port, log_level="warning", access_log=False)
