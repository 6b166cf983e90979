"""KServe's REST client against a running server: every call that it has for version 2 of the protocol.

Usage: kserve_rest.py HOST:PORT      (models as written by run.ts)
"""

import asyncio
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.errors import UnsupportedProtocol
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.numpy_codec import from_np_dtype

URL = f"http://{sys.argv[1]}"
ROWS = np.array([[0.1, -2], [3, 4e10]], np.float32)
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def request(model, array, binary_in=True, binary_out=None, **options):
    tensor = InferInput("x", list(array.shape), from_np_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=binary_in)
    if binary_out is not None:
        options["request_outputs"] = [RequestedOutput("y", parameters={"binary_data": binary_out})]
    return InferRequest(model, [tensor], **options)


async def health(client):
    for base in (URL, f"{URL}/", httpx.URL(URL)):
        check(await client.is_server_live(base) is True, "live")
        check(await client.is_server_ready(base, headers={"x-request-id": "a"}, timeout=5) is True, "ready")
        check(await client.is_model_ready(base, "double") is True, "model ready")
    check(await client.is_model_ready(URL, "nosuch") is False, "an unknown model is not ready")


async def inference(client):
    arrays = {
        "double": ROWS,
        "int64": np.array([[2**63 - 1, -(2**63)]], np.int64),
        "bool": np.array([[True, False]]),
        "uint8": np.array([[0, 255]], np.uint8),
        "half": np.array([[0.5, -65504]], np.float16),
        "string": np.array([["ä€𝄞", ""]], np.object_),
    }
    for model, array in arrays.items():
        expected = 2 * array if model == "double" else array
        for binary_in in (True, False):
            # The client itself refuses FP16 in JSON.
            if model == "half" and not binary_in:
                continue
            for binary_out in (True, False, None):
                answer = await client.infer(URL, request(model, array, binary_in, binary_out), model_name=model)
                output = answer.get_output_by_name("y")
                form = f"{model}, binary {binary_in}/{binary_out}"
                values = output.data if model == "string" else output.as_numpy().flatten().tolist()
                check(values == expected.flatten().tolist(), f"elements of {form}")
                check((output.datatype, output.shape) == (from_np_dtype(array.dtype), [*array.shape]), f"type of {form}")
                check(answer.model_name == model, f"name of {form}")

    nothing = np.zeros((0, 2), np.float32)
    for binary in (True, False):
        answer = await client.infer(URL, request("double", nothing, binary, binary), model_name="double")
        check(answer.outputs[0].shape == [0, 2], f"no rows, binary {binary}")

    headers = {}
    options = {"request_id": "7", "parameters": {"binary_data_output": True}}
    answer = await client.infer(
        URL, request("double", ROWS, **options), model_name="double", response_headers=headers, timeout=5
    )
    check(answer.id == "7" and np.array_equal(answer.outputs[0].as_numpy(), 2 * ROWS), "the id, and all in binary form")
    check(headers["content-type"] == "application/octet-stream", "headers of the answer")

    many = np.ones((1000, 2), np.float32)
    headers = {}
    answer = await client.infer(URL, request("double", many, False), model_name="double", response_headers=headers)
    check(np.array_equal(answer.outputs[0].as_numpy(), 2 * many), "a large answer")
    check(headers["content-encoding"] == "gzip", "which comes packed")

    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[1, 2]]}]}
    answer = await client.infer(URL, body, model_name="double", headers={"x-request-timeout-ms": "5000"})
    check(answer.outputs[0].data == [2, 4], "a dictionary as request")
    answer = await client.infer(f"{URL}/v2/models/double/infer", body, is_graph_endpoint=True)
    check(answer["outputs"][0]["data"] == [2, 4], "a dictionary as answer")

    answers = await asyncio.gather(
        *(client.infer(URL, request("double", ROWS * i), model_name="double") for i in range(64))
    )
    check(all(np.array_equal(a.outputs[0].as_numpy(), 2 * ROWS * i) for i, a in enumerate(answers)), "64 at once")


async def refusals(client):
    for model, array, status, text in (
        ("nosuch", ROWS, 404, "Request for unknown model: 'nosuch'"),
        ("double", ROWS[:, :1], 400, "Expected [-1,2], got [2,1]"),
        ("int64", ROWS, 400, "data-type is 'FP32', but model 'int64' expects 'INT64'"),
    ):
        try:
            await client.infer(URL, request(model, array), model_name=model)
            check(False, f"{model} is refused")
        except httpx.HTTPStatusError as error:
            check(error.response.status_code == status and text in str(error), f"refusal says '{text}', got '{error}'")
    try:
        await client.explain(URL, "double", {})
        check(False, "explaining is not in version 2")
    except UnsupportedProtocol:
        check(True, "the client says so itself")


async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=3, timeout=30)) as client:
        for part in (health, inference, refusals):
            await part(client)
    print(f"kserve: {checks} checks passed")


asyncio.run(main())
