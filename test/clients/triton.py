"""NVIDIA's HTTP client against a running server: every call for which the server has an answer.

Usage: triton.py HOST:PORT      (models as written by run.ts)
"""

import asyncio
import sys

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

URL = sys.argv[1]
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def tensor(name, array, binary=True, module=http):
    tensor = module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def refused(call, text):
    try:
        call()
    except InferenceServerException as error:
        check(text in error.message(), f"refusal says '{text}', got '{error.message()}'")
    else:
        check(False, f"refused with '{text}'")


def synchronous():
    client = http.InferenceServerClient(URL, concurrency=8)
    check(client.is_server_live() and client.is_server_ready(), "live and ready")
    check(client.is_model_ready("double") and client.is_model_ready("double", "1"), "model ready")
    check(not client.is_model_ready("nosuch"), "an unknown model is not ready")
    check(client.get_server_metadata()["name"] == "ortlet", "server metadata")
    check(client.get_model_metadata("double")["inputs"][0]["shape"] == [-1, 2], "model metadata")
    check(client.get_model_config("double")["max_batch_size"] == 32, "model configuration")
    check({"double", "int64", "string", "half"} <= {m["name"] for m in client.get_model_repository_index()}, "index")

    rows = np.array([[0.1, -2], [3, 4e10]], np.float32)
    for binary_in in (True, False):
        for binary_out in (True, False):
            outputs = [http.InferRequestedOutput("y", binary_data=binary_out)]
            result = client.infer("double", [tensor("x", rows, binary_in)], outputs=outputs, request_id="7")
            check(np.array_equal(result.as_numpy("y"), 2 * rows), f"FP32, binary {binary_in}/{binary_out}")
            check(result.get_response()["id"] == "7", "the id comes back")
    check(np.array_equal(client.infer("double", [tensor("x", rows)]).as_numpy("y"), 2 * rows), "default outputs")

    wide = np.array([[2**63 - 1, -(2**63)]], np.int64)
    for binary in (True, False):
        check(np.array_equal(client.infer("int64", [tensor("x", wide, binary)]).as_numpy("y"), wide), "INT64 is exact")
    half = np.array([[0.5, -65504]], np.float16)
    check(np.array_equal(client.infer("half", [tensor("x", half)]).as_numpy("y"), half), "FP16")
    words = np.array([["ä€𝄞", ""]], np.object_)
    for binary in (True, False):
        outputs = [http.InferRequestedOutput("y", binary_data=binary)]
        result = client.infer("string", [tensor("x", words, binary)], outputs=outputs).as_numpy("y")
        decode = [[w.decode() if isinstance(w, bytes) else w for w in row] for row in result]
        check(decode == words.tolist(), f"BYTES, binary {binary}")

    many = np.random.default_rng(0).random((1000, 2), np.float32)
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            "double", [tensor("x", many)],
            request_compression_algorithm=algorithm, response_compression_algorithm=algorithm,
        )
        check(np.allclose(result.as_numpy("y"), 2 * many), f"compressed by {algorithm} both ways")

    outputs = [http.InferRequestedOutput("y", class_count=1)]
    classes = client.infer("double", [tensor("x", rows)], outputs=outputs).as_numpy("y")
    check([[c.decode() for c in row] for row in classes] == [["0.200000:0"], [f"{2 * np.float32(4e10):.6f}:1"]], "classes")

    pending = [client.async_infer("double", [tensor("x", rows)]) for _ in range(64)]
    check(all(np.array_equal(p.get_result().as_numpy("y"), 2 * rows) for p in pending), "64 requests at once")
    check(client.infer("double", [tensor("x", rows)], query_params={"a": 1}, timeout=5_000_000, priority=1), "parameters")

    statistics = client.get_inference_statistics("double")["model_stats"]
    check(len(statistics) == 1 and statistics[0]["inference_count"] > 64, "statistics of a model")
    check(len(client.get_inference_statistics()["model_stats"]) >= 4, "statistics of all")

    check(client.get_log_settings()["log_file"] == "", "log settings")
    check(client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1, "changed log settings")
    client.update_log_settings({"log_verbose_level": 0})
    check(client.get_system_shared_memory_status() == [] and client.get_cuda_shared_memory_status() == [], "shared memory")

    refused(lambda: client.infer("nosuch", [tensor("x", rows)]), "Request for unknown model: 'nosuch'")
    refused(lambda: client.infer("double", [tensor("z", rows)]), "unexpected inference input 'z' for model 'double'")
    refused(lambda: client.infer("double", [tensor("x", wide)]), "data-type is 'INT64', but model 'double' expects 'FP32'")
    refused(lambda: client.infer("double", [tensor("x", rows[:, :1])]), "Expected [-1,2], got [2,1]")

    client.unload_model("half")
    check(not client.is_model_ready("half"), "unloaded")
    client.load_model("half")
    check(client.is_model_ready("half"), "loaded again")
    refused(lambda: client.load_model("nosuch"), "failed to load 'nosuch'")
    client.close()


async def asynchronous():
    async with aio.InferenceServerClient(URL) as client:
        check(await client.is_server_live() and await client.is_server_ready(), "aio: live and ready")
        check((await client.get_model_metadata("double"))["name"] == "double", "aio: metadata")
        check(len(await client.get_model_repository_index()) >= 4, "aio: index")
        arrays = [np.full((1, 2), i, np.float32) for i in range(64)]
        results = await asyncio.gather(*(client.infer("double", [tensor("x", a, module=aio)]) for a in arrays))
        check(all(np.array_equal(r.as_numpy("y"), 2 * a) for r, a in zip(results, arrays)), "aio: 64 at once")
        many = np.ones((1000, 2), np.float32)
        check((await client.infer("double", [tensor("x", many, module=aio)])).as_numpy("y").sum() == 4000, "aio: large")
        try:
            await client.infer("nosuch", [tensor("x", arrays[0], module=aio)])
            check(False, "aio: an unknown model is refused")
        except InferenceServerException as error:
            check("unknown model" in error.message(), "aio: the refusal can be read")


synchronous()
asyncio.run(asynchronous())
print(f"tritonclient: {checks} checks passed")
