"""LitServe with onnxruntime: one worker, batches of up to 32 rows of one length."""

import signal

import litserve
import numpy
from open_inference import describe_output, open_session, read_flags, read_tensor

MAX_BATCH_SIZE = 32
# Seconds. The shortest that does not make the worker spin; a batch waits for it unless it is full.
BATCH_TIMEOUT = 0.001


class Inference(litserve.LitAPI):
    def __init__(self, model: str, path: str, threads: int):
        super().__init__(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_TIMEOUT, api_path=path)
        self.model = model
        self.threads = threads

    def setup(self, device):
        self.session = open_session(self.model, self.threads)
        self.output_name = self.session.get_outputs()[0].name

    def decode_request(self, request):
        return {
            tensor["name"]: read_tensor(tensor["datatype"], tensor["shape"], tensor["data"])
            for tensor in request["inputs"]
        }

    def batch(self, inputs):
        return {name: numpy.concatenate([feeds[name] for feeds in inputs]) for name in inputs[0]}

    def predict(self, feeds):
        return self.session.run(None, feeds)[0]

    def unbatch(self, output):
        return [output[row : row + 1] for row in range(len(output))]

    def encode_response(self, output):
        return describe_output(self.output_name, output)


if __name__ == "__main__":
    # LitServe ends its workers on an interrupt only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    flags = read_flags()
    api = Inference(flags.model, flags.path, flags.threads)
    server = litserve.LitServer(api, accelerator="cpu", healthcheck_path="/v2/health/ready")
    server.run(
        host="127.0.0.1", port=flags.port, log_level="warning", generate_client_file=False, access_log=False
    )
