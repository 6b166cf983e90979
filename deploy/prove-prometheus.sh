#!/usr/bin/env bash
# Proves that a real Prometheus scrapes Ortlet, evaluates its rules and answers every query of the dashboard.
set -euo pipefail

case "${1:-}" in
  '') ;;
  --help)
    cat <<'TEXT'
Usage: deploy/prove-prometheus.sh

Starts Ortlet and Prometheus on free loopback ports with deploy/prometheus, only the target replaced, sends
predictions, waits until they have been scraped, and checks the metrics, the rules and the dashboard's queries.

  --help   print this text

Needs prometheus and promtool on the PATH (Debian's package `prometheus`), curl and `npm ci`.
TEXT
    exit 0
    ;;
  *) "$0" --help >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
for program in prometheus promtool curl; do
  command -v "$program" >/dev/null || { echo "$program is not on the PATH: see --help" >&2; exit 2; }
done
node=node_modules/.bin/node
work=$(mktemp -d /tmp/ortlet-prometheus.XXXXXX)
pids=()
finish() {
  [ "${#pids[@]}" = 0 ] || kill -TERM "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap finish EXIT
started=$(date +%s%N)
step() { printf '%5d ms  %s\n' "$((($(date +%s%N) - started) / 1000000))" "$*"; }
fail() { echo "FAILED: $*" >&2; tail -5 "$work"/*.log >&2; exit 1; }
until_true() { # seconds command…
  local end=$((SECONDS + $1)); shift
  until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.2; done
}
read -r port prometheus_port < <("$node" -e '
  const { createServer } = require("node:net");
  const servers = [0, 0].map(() => createServer().listen(0, "127.0.0.1"));
  setTimeout(() => {
    console.log(servers.map((server) => server.address().port).join(" "));
    for (const server of servers) server.close();
  }, 50);
')
base=http://127.0.0.1:$port

"$node" src/main.ts serve --port "$port" >"$work/ortlet.log" 2>&1 &
pids+=($!)
ready() { curl -sf -o "$work/answer" "$base/v2/health/ready"; }
until_true 60 ready || fail 'Ortlet is not ready'

sed "s/ortlet:8080/127.0.0.1:$port/" deploy/prometheus/prometheus.yml >"$work/prometheus.yml"
cp deploy/prometheus/rules.yml "$work/"
promtool check config "$work/prometheus.yml" >"$work/promtool.log" || fail 'promtool check config'
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
  --web.listen-address="127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
pids+=($!)
# The values of a query, one a line; fails when the query is refused.
values() {
  curl -sfG "http://127.0.0.1:$prometheus_port/api/v1/query" --data-urlencode "query=$1" |
    "$node" -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).data.result.map(({ value }) => value[1]).join("\n")'
}
predict() {
  for folder in models/*/; do
    [ ! -f "$folder/request.json" ] ||
      curl -sf -o "$work/answer" "$base/v2/models/$(basename "$folder")/infer" -d "@$folder/request.json" || fail "$folder"
  done
}
is_up() { [ "$(values 'up{job="ortlet"}' 2>/dev/null)" = 1 ]; }
until_true 60 is_up || fail 'Prometheus cannot scrape Ortlet'
step 'up is 1'

sent=0
scraped() {
  predict
  sent=$((sent + 1))
  # Rates need two scrapes with requests between them.
  [ "$(values 'count(rate(ortlet_requests_total{outcome="ok"}[1m]) > 0)' || true)" = "$(ls models/*/request.json | wc -l)" ]
}
until_true 60 scraped || fail 'ortlet_requests_total was not scraped'
step "ortlet_requests_total of every model was scraped, after $sent rounds of predictions"

curl -sf "$base/metrics" | promtool check metrics >"$work/promtool.log" 2>&1 || true
if grep -v '^nodejs_\|^process_' "$work/promtool.log"; then fail 'promtool check metrics'; fi
step "promtool check metrics finds nothing in ortlet_ metrics ($(curl -sf "$base/metrics" | grep -c '^# TYPE ortlet_') families), and $(wc -l <"$work/promtool.log") remarks on Node's"

evaluated() { [ -n "$(values 'ortlet:queue_duration_seconds:p99_5m' || true)" ]; }
until_true 60 evaluated || fail 'the recording rules have no values'
health=$(curl -sf "http://127.0.0.1:$prometheus_port/api/v1/rules" | "$node" -p '
  const { groups } = JSON.parse(require("fs").readFileSync(0, "utf8")).data;
  groups.flatMap(({ rules }) => rules.map(({ name, health, state }) => `${name} ${health} ${state ?? ""}`)).join("\n")')
if grep -v ' ok \(inactive\)\?$' <<<"$health"; then fail 'a rule is unhealthy or an alert is up'; fi
step "$(wc -l <<<"$health") rules evaluated, no alert"

total=0 empty=''
while IFS=$'\t' read -r title query; do
  result=$(values "$query") || fail "$title: $query"
  total=$((total + 1))
  [ -n "$result" ] || empty+=" '$title'"
done < <("$node" deploy/dashboard.ts 1m)
step "$total queries of the dashboard answered; without data, since nothing failed:${empty:- none}"
