-- What wrk sends and prints; its arguments are the files that the bodies are in.

local requests = {}
local last = 0

function init(files)
  for i, file in ipairs(files) do
    local body = assert(io.open(file, "rb"))
    requests[i] = wrk.format("POST", nil, nil, body:read("*a"))
    body:close()
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

-- One line of JSON. Latencies are in microseconds; the clock counts the processor time of all threads.
function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format(
    '\n{"requests":%d,"failures":%d,"elapsedUs":%d,"p50Us":%d,"p99Us":%d,"cpuSeconds":%f}',
    summary.requests, errors.status + broken, summary.duration,
    latency:percentile(50), latency:percentile(99), os.clock()))
end
