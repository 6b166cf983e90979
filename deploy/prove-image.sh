#!/usr/bin/env bash
# Proves the image without a Docker engine: follows the Dockerfile's instructions with mounts and namespaces of Linux,
# then runs the result as the Dockerfile says, read-only and without rights, and asks it for predictions.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: deploy/prove-image.sh [--keep]

Copies the build context into a new folder, follows FROM, WORKDIR, ENV, COPY and RUN of the Dockerfile, then starts
ENTRYPOINT and CMD as PID 1 of user 1000 on a read-only root without a network but loopback, and checks readiness,
a prediction of every model, the health check, `check`, and the end by SIGTERM.
The system's /usr and /etc and the Node.js found in node_modules stand in for the base image.

  --keep   leave the folder for inspection
  --help   print this text

Needs Linux, root, git, npm, unshare and setpriv (util-linux), ip (iproute2), and an npm registry.
TEXT
}

keep=false
for argument in "$@"; do
  case "$argument" in
    --keep) keep=true ;;
    --help) usage; exit 0 ;;
    --inside) ;;
    *) usage >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
if [ "${1:-}" != --inside ]; then
  if [ "$(uname)" != Linux ] || [ "$(id -u)" != 0 ]; then echo 'prove-image.sh needs Linux and root: see --help' >&2; exit 2; fi
  work=$(mktemp -d /tmp/ortlet-image.XXXXXX)
  status=0
  WORK=$work unshare --mount -- bash "deploy/$(basename "$0")" --inside || status=$?
  if $keep; then echo "kept: $work"; else rm -rf "$work"; fi
  exit "$status"
fi

# From here on in a mount namespace of our own: no mount outlives the script.
step() { printf '%5d ms  %s\n' "$((($(date +%s%N) - started) / 1000000))" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
started=$(date +%s%N)
node=$(readlink -f node_modules/.bin/node)
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
"$node" deploy/dockerfile.ts >"$WORK/instructions"

# --- the build context
context=$WORK/context
mkdir "$context"
"$node" deploy/build-context.ts | xargs -0 cp --parents -t "$context"
step "context: $(find "$context" -type f | wc -l) files, $(du -sh "$context" | cut -f1)"

# --- the stages
# The base image: a root folder with the system's programs, Node.js and npm; read-only but for what the stage makes.
new_root() {
  mkdir -p "$1"/{usr,etc,proc,dev,sys,root,opt/node/bin,opt/node/lib/node_modules/npm} && mkdir -m 1777 "$1/tmp"
  for link in bin lib lib64 sbin; do [ ! -L "/$link" ] || ln -s "$(readlink "/$link")" "$1/$link"; done
  cp "$node" "$1/opt/node/bin/node"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/opt/node/bin/npm"
}
mount_system() {
  mount --bind "$1" "$1"
  for folder in usr etc; do mount --bind -o ro "/$folder" "$1/$folder"; done
  for folder in dev sys proc; do mount --rbind "/$folder" "$1/$folder"; done
  mount --bind -o ro "$npm" "$1/opt/node/lib/node_modules/npm"
}
copy() { # from-folder source… destination
  local from=$1 to=${*: -1} source
  case "$to" in /*) to=$root$to ;; *) to=$root$workdir/$to ;; esac
  for source in "${@:2:$#-2}"; do
    source=$from/${source#/}
    if [ -d "$source" ]; then mkdir -p "$to" && cp -a "$source/." "$to"
    else case "$to" in */) mkdir -p "$to" ;; *) mkdir -p "$(dirname "$to")" ;; esac && cp -a "$source" "$to"; fi
  done
}
path=/opt/node/bin:/usr/local/bin:/usr/bin:/bin
stage=0
declare -A roots workdirs environments
while IFS=$'\t' read -r name rest; do
  IFS=$'\t' read -ra words <<<"$rest"
  case "$name" in
    FROM)
      stage=$((stage + 1)); root=$WORK/stage-$stage; workdir=/; environment=''
      base=${words[0]} label=${words[2]:-final}
      new_root "$root"
      if [ -n "${roots[$base]:-}" ]; then
        workdir=${workdirs[$base]} environment=${environments[$base]}
        mkdir -p "$root$workdir" && cp -a "${roots[$base]}$workdir/." "$root$workdir"
      else
        version=$("$node" -p 'process.versions.node.split(".")[0]')
        [[ $base == node:$version-* ]] || fail "the base image is $base, but Node.js $version is here"
      fi
      mount_system "$root"
      ;;
    WORKDIR) workdir=${words[0]}; mkdir -p "$root$workdir" ;;
    ENV) for word in "${words[@]}"; do environment+="$word "; done ;;
    COPY)
      case "${words[0]}" in
        --from=*) copy "${roots[${words[0]#--from=}]}" "${words[@]:1}" ;;
        *) copy "$context" "${words[@]}" ;;
      esac
      ;;
    RUN)
      # shellcheck disable=SC2086 # environment is a list of words
      chroot "$root" env HOME=/root PATH="$path" $environment /bin/sh -c "cd $workdir && $rest" >"$WORK/log" 2>&1 </dev/null ||
        { tail -30 "$WORK/log"; fail "RUN $rest"; }
      step "RUN ${rest:0:90}"
      ;;
    USER) user=${words[0]} ;;
    HEALTHCHECK) healthcheck=("${words[@]}") ;;
    ENTRYPOINT) entrypoint=("${words[@]}") ;;
    CMD) command=("${words[@]}") ;;
  esac
  # What a later stage may take from this one.
  roots[$label]=$root workdirs[$label]=$workdir environments[$label]=$environment
done <"$WORK/instructions"
packages=$("$node" -p "Object.keys(JSON.parse(require('fs').readFileSync('$root$workdir/node_modules/.package-lock.json')).packages).length")
step "image: $(du -sch "$root$workdir" "$root/models" | tail -1 | cut -f1) ($(du -sh "$root$workdir/node_modules" | cut -f1) of packages), $packages production packages"
binaries=$(cd "$root$workdir/node_modules/onnxruntime-node/bin/napi-v6" && find . -mindepth 2 -maxdepth 2)
[ "$binaries" = "./linux/$("$node" -p process.arch)" ] || fail "native libraries: $binaries"

# --- the container
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
# shellcheck disable=SC2206
environment=(PATH="$path" $environment)
as_user=(setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs --bounding-set=-all)
inside() { chroot "$root" "${as_user[@]}" env -i --chdir="$workdir" "${environment[@]}" "$@"; }

if inside touch "$workdir/written" 2>/dev/null; then fail 'the root can be written to'; fi
inside "${entrypoint[@]}" check >"$WORK/check" 2>&1 || { cat "$WORK/check"; fail '`check` ended with an error'; }
step "\`check\` exits 0"

# A network of its own, so that the port is the image's; one process tree of its own, so that the server is PID 1.
cat >"$WORK/ask.mjs" <<'SCRIPT'
// Waits for readiness, then sends every model its example request.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
const base = 'http://127.0.0.1:8080/v2';
for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
  const ready = await fetch(`${base}/health/ready`).catch(() => undefined);
  if (ready?.status === 200) break;
  if (Date.now() > end) throw new Error(`not ready: ${(await ready?.text()) ?? 'no answer'}`);
}
const folders = readdirSync('/models').filter((name) => existsSync(`/models/${name}/request.json`));
for (const name of folders) {
  const body = readFileSync(`/models/${name}/request.json`);
  const answer = await fetch(`${base}/models/${name}/infer`, { method: 'POST', body });
  const { outputs, error } = await answer.json();
  if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${error}`);
  console.log(`          ${name}: ${JSON.stringify(outputs[0].data.slice(0, 4))}`);
}
SCRIPT
mkdir -p "$WORK/run"
cat >"$WORK/run/serve" <<SCRIPT
exec unshare --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" ${as_user[*]} env -i --chdir="$workdir" ${environment[*]@Q} ${entrypoint[*]@Q} ${command[*]@Q}
SCRIPT
unshare --net bash "$WORK/run/serve" >"$WORK/server.log" 2>&1 &
unshare_pid=$!
trap 'kill -KILL "$unshare_pid" 2>/dev/null || true' EXIT
for _ in $(seq 100); do server=$(pgrep -P "$unshare_pid" || true); [ -z "$server" ] || break; sleep 0.05; done
# Loopback comes up only now: a program run before the server would be the first child that is found.
[ -n "$server" ] && nsenter --target "$server" --net ip link set lo up ||
  { cat "$WORK/server.log"; fail 'the server did not start'; }
beside() { nsenter --target "$server" --net chroot "$root" "${as_user[@]}" env -i --chdir="$workdir" "${environment[@]}" "$@"; }

beside node --input-type=module - <"$WORK/ask.mjs" || { tail -5 "$WORK/server.log"; fail 'no answer'; }
step 'ready, and every model answered'
beside "${healthcheck[@]}" || fail 'the health check'
beside "${healthcheck[@]}" /v2/health/ready || fail 'the health check of readiness'
if beside "${healthcheck[@]}" /v2/health/nonsense 2>/dev/null; then fail 'the health check is always content'; fi
step 'the health check exits 0, and 1 for a route that is not there'
# The server and its engines, by their numbers inside: user and rights.
for process in "$server" $(pgrep -P "$server"); do
  grep -qE "^Uid:\s+${user%:*}\s+${user%:*}\s" "/proc/$process/status" || fail 'a process runs as another user'
  grep -qE '^CapEff:\s+0+$' "/proc/$process/status" || fail 'a process has capabilities'
done
grep -qE '^NSpid:.*\s1$' "/proc/$server/status" || fail 'the server is not PID 1'
step "PID 1 and $(pgrep -P "$server" | wc -l) engines run as user $user without capabilities"

ended=$(date +%s%N)
kill -TERM "$server"
status=0
wait "$unshare_pid" || status=$?
trap - EXIT
[ "$status" = 0 ] || { tail -5 "$WORK/server.log"; fail "SIGTERM ended it with exit code $status"; }
step "SIGTERM ended it with exit code 0 after $((($(date +%s%N) - ended) / 1000000)) ms"
