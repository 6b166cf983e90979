"""NVIDIA's HTTP client against a running server: every call that it has, from its synchronous and its asyncio form.

Usage: triton.py HOST:PORT MODELS      (models as written by run.ts)
"""

import asyncio
import json
import pathlib
import sys

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

URL = sys.argv[1]
MODELS = pathlib.Path(sys.argv[2])
CONFIG = json.dumps({
    "max_batch_size": "5",
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": ["2"]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": ["2"]}],
})
ROWS = np.array([[0.1, -2], [3, 4e10]], np.float32)
WIDE = np.array([[2**63 - 1, -(2**63)]], np.int64)
MANY = np.random.default_rng(0).random((1000, 2), np.float32)
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"FAILED: {what}")


class Recorder:
    """A client of either form, called by the names of its methods; remembers which were called."""

    def __init__(self, client, module):
        self.client = client
        self.module = module
        self.called = set()

    async def __call__(self, method, *arguments, **options):
        self.called.add(method)
        answer = getattr(self.client, method)(*arguments, **options)
        return await answer if asyncio.iscoroutine(answer) else answer

    def input(self, array, name="x", binary=True):
        tensor = self.module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        return tensor

    def output(self, **options):
        return self.module.InferRequestedOutput("y", **options)

    async def y(self, model, array, binary_in=True, binary_out=True, **options):
        inputs, outputs = [self.input(array, binary=binary_in)], [self.output(binary_data=binary_out)]
        return (await self("infer", model, inputs, outputs=outputs, **options)).as_numpy("y")

    async def refused(self, text, method, *arguments, **options):
        try:
            await self(method, *arguments, **options)
        except InferenceServerException as error:
            check(text in error.message(), f"refusal says '{text}', got '{error.message()}'")
        else:
            check(False, f"{method} is refused with '{text}'")


async def management(call):
    check(await call("is_server_live") and await call("is_server_ready"), "live and ready")
    check(await call("is_model_ready", "double") and await call("is_model_ready", "double", "1"), "model ready")
    check(not await call("is_model_ready", "nosuch") and not await call("is_model_ready", "double", "9"), "not ready")
    check((await call("get_server_metadata", query_params={"a": "1"}))["name"] == "ortlet", "server metadata")
    for version in ("", "1"):
        metadata = await call("get_model_metadata", "double", version, headers={"x-request-id": "a"})
        check(metadata["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, 2]}, "model metadata")
        check((await call("get_model_config", "double", version))["max_batch_size"] == 32, "model configuration")
        statistics = (await call("get_inference_statistics", "double", version))["model_stats"]
        check(len(statistics) == 1 and statistics[0]["version"] == "1", "statistics of a model")
    check(len((await call("get_inference_statistics"))["model_stats"]) == 6, "statistics of all")
    for method in ("get_model_metadata", "get_model_config", "get_inference_statistics"):
        await call.refused("Request for unknown model: 'nosuch'", method, "nosuch")

    states = {model["name"]: model["state"] for model in await call("get_model_repository_index")}
    check(states["double"] == "READY" and len(states) == 6, "index")
    await call("unload_model", "half", unload_dependents=False)
    check(not await call("is_model_ready", "half"), "unloaded")
    await call("load_model", "half")
    check(await call("is_model_ready", "half"), "loaded again")
    await call.refused("failed to load 'nosuch'", "load_model", "nosuch")
    await call("load_model", "half", config=CONFIG, files={"file:3/model.onnx": (MODELS / "double/model.onnx").read_bytes()})
    check((await call("get_model_config", "half"))["max_batch_size"] == 5, "loaded with a configuration")
    answer = await call("infer", "half", [call.input(ROWS)])
    check(np.array_equal(answer.as_numpy("y"), 2 * ROWS), "loaded with a file")
    await call.refused("failed to load 'half'", "load_model", "half", config=CONFIG, files={"file:../model.onnx": b""})
    await call("unload_model", "half")
    await call("load_model", "half")

    traced = {"trace_level": ["TIMESTAMPS"], "trace_rate": "100", "trace_count": "2"}
    check((await call("update_trace_settings", None, traced))["trace_rate"] == "100", "changed trace settings")
    check((await call("update_trace_settings", "half", {"trace_rate": "7"}))["trace_rate"] == "7", "of a model")
    check((await call("get_trace_settings", "half"))["trace_level"] == ["TIMESTAMPS"], "follows the others")
    check((await call("update_trace_settings", "half", {"trace_rate": None}))["trace_rate"] == "100", "cleared")
    await call("update_trace_settings", None, {"trace_level": ["OFF"]})
    await call.refused("trace file location can not be updated", "update_trace_settings", None, {"trace_file": "elsewhere"})

    check((await call("get_log_settings"))["log_file"] == "", "log settings")
    changed = await call("update_log_settings", {"log_verbose_level": 1, "log_format": "ISO8601"})
    check(changed["log_verbose_level"] == 1, "changed log settings")
    await call("update_log_settings", {"log_verbose_level": 0, "log_info": False})
    await call.refused("log file location can not be updated", "update_log_settings", {"log_file": "elsewhere"})

    for kind in ("system", "cuda"):
        for region in ("", "r"):
            check(await call(f"get_{kind}_shared_memory_status", region) == [], f"{kind} shared memory is empty")
            await call.refused("not offered", f"unregister_{kind}_shared_memory", region)
    await call.refused("not offered", "register_system_shared_memory", "r", "/r", 8)
    await call.refused("not offered", "register_cuda_shared_memory", "r", b"\0", 0, 8)


async def tensors(call):
    for binary_in in (True, False):
        for binary_out in (True, False):
            form = f"binary {binary_in}/{binary_out}"
            check(np.array_equal(await call.y("double", ROWS, binary_in, binary_out), 2 * ROWS), f"FP32, {form}")
            check(np.array_equal(await call.y("int64", WIDE, binary_in, binary_out), WIDE), f"INT64 is exact, {form}")
            flags = np.array([[True, False]])
            check(np.array_equal(await call.y("bool", flags, binary_in, binary_out), flags), f"BOOL, {form}")
            bytes_ = np.array([[0, 255]], np.uint8)
            check(np.array_equal(await call.y("uint8", bytes_, binary_in, binary_out), bytes_), f"UINT8, {form}")
            words = np.array([["ä€𝄞", ""]], np.object_)
            answer = await call.y("string", words, binary_in, binary_out)
            decoded = [[word.decode() if isinstance(word, bytes) else word for word in row] for row in answer]
            check(decoded == words.tolist(), f"BYTES, {form}")
            nothing = np.zeros((0, 2), np.float32)
            check((await call.y("double", nothing, binary_in, binary_out)).shape == (0, 2), f"no rows, {form}")
    half = np.array([[0.5, -65504]], np.float16)
    check(np.array_equal(await call.y("half", half), half), "FP16")
    fixed = np.array([[b"ab", b"c"]])
    check((await call.y("string", fixed)).tolist() == [[b"ab", b"c"]], "BYTES of a fixed length")


async def inference(call):
    result = await call("infer", "double", [call.input(ROWS)], model_version="1", request_id="7")
    check(np.array_equal(result.as_numpy("y"), 2 * ROWS), "all outputs, in the form that the client prefers")
    check(result.get_response()["id"] == "7" and result.get_output("y")["shape"] == [2, 2], "what the answer says")
    check(result.as_numpy("z") is None and result.get_output("z") is None, "an output that is not there")
    options = {"sequence_id": 5, "sequence_start": True, "sequence_end": True, "priority": 1, "timeout": 5_000_000}
    options |= {"query_params": {"test_1": 1}, "headers": {"x-request-id": "a"}, "parameters": {"own": "value"}}
    check(np.array_equal(await call.y("double", ROWS, **options), 2 * ROWS), "every option")

    for algorithm in ("gzip", "deflate"):
        packed = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        check(np.allclose(await call.y("double", MANY, **packed), 2 * MANY), f"compressed by {algorithm} both ways")
    check(np.allclose(await call.y("double", MANY), 2 * MANY), "a large answer")

    for binary in (True, False):
        outputs = [call.output(class_count=2, binary_data=binary)]
        classes = (await call("infer", "double", [call.input(ROWS)], outputs=outputs)).as_numpy("y")
        first = [row[0].decode() if isinstance(row[0], bytes) else row[0] for row in classes]
        check(classes.shape == (2, 2), "two classes of each row")
        check(first == ["0.200000:0:left", f"{2 * ROWS[1, 1]:.6f}:1:right"], f"the highest class, binary {binary}")

    body, length = call.client.generate_request_body([call.input(ROWS)], outputs=[call.output()], request_id="8")
    check(0 < length < len(body), "a body made without sending it")
    answer = call.client.parse_response_body(b'{"outputs":[{"name":"y","shape":[1],"datatype":"INT8","data":[3]}]}')
    check(answer.as_numpy("y").tolist() == [3], "a body read without receiving it")
    call.called |= {"generate_request_body", "parse_response_body"}


async def refusals(call):
    await call.refused("Request for unknown model: 'nosuch'", "infer", "nosuch", [call.input(ROWS)])
    await call.refused("'double' version 9 is not found", "infer", "double", [call.input(ROWS)], model_version="9")
    wrong_name = [call.input(ROWS, "z")]
    await call.refused("unexpected inference input 'z' for model 'double'", "infer", "double", wrong_name)
    wrong_type = [call.input(WIDE)]
    await call.refused("data-type is 'INT64', but model 'double' expects 'FP32'", "infer", "double", wrong_type)
    await call.refused("Expected [-1,2], got [2,1]", "infer", "double", [call.input(ROWS[:, :1])])
    unknown = [call.module.InferRequestedOutput("z")]
    await call.refused("unexpected inference output 'z'", "infer", "double", [call.input(ROWS)], outputs=unknown)
    await call.refused("input 'x' already exists in request", "infer", "double", [call.input(ROWS)] * 2)
    shared_in, shared_out = call.input(ROWS), call.output()
    shared_in.set_shared_memory("r", 16)
    shared_out.set_shared_memory("r", 16)
    await call.refused("shared memory", "infer", "double", [shared_in])
    await call.refused("shared memory", "infer", "double", [call.input(ROWS)], outputs=[shared_out])


async def exercise(client, module):
    call = Recorder(client, module)
    for part in (management, tensors, inference, refusals):
        await part(call)
    return call


def covered(call):
    client = type(call.client)
    calls = {name for name in dir(client) if not name.startswith("_") and callable(getattr(client, name))}
    plugins = {"plugin", "register_plugin", "unregister_plugin"}
    check(calls == call.called | plugins, f"not called: {calls - call.called - plugins}")


def synchronous():
    client = http.InferenceServerClient(URL, concurrency=8)
    call = asyncio.run(exercise(client, http))
    pending = [client.async_infer("double", [call.input(ROWS * i)]) for i in range(64)]
    check(all(np.array_equal(p.get_result().as_numpy("y"), 2 * ROWS * i) for i, p in enumerate(pending)), "64 at once")
    late = client.async_infer("nosuch", [call.input(ROWS)])
    try:
        late.get_result(block=True, timeout=5)
        check(False, "an unknown model is refused later, too")
    except InferenceServerException as error:
        check("unknown model" in error.message(), "the refusal can be read")
    client.close()
    call.called |= {"async_infer", "close"}
    covered(call)


async def asynchronous():
    async with aio.InferenceServerClient(URL, conn_limit=8) as client:
        call = await exercise(client, aio)
        answers = await asyncio.gather(*(call.y("double", ROWS * i) for i in range(64)))
        check(all(np.array_equal(answer, 2 * ROWS * i) for i, answer in enumerate(answers)), "aio: 64 at once")
    call.called.add("close")
    covered(call)


synchronous()
asyncio.run(asynchronous())
print(f"tritonclient: {checks} checks passed")
