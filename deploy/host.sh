#!/usr/bin/env bash
# The part of deploy.sh that works on the host. Each environment has a folder of its own:
#
#   ~/voz/ENVIRONMENT/releases/ID/   what was sent, with its .env
#   ~/voz/ENVIRONMENT/current        the release in service (a link), changed only once it is ready
#   ~/voz/ENVIRONMENT/history        every release that became ready, the newest last
#   ~/voz/ENVIRONMENT/logs/          the log of each deployment
#   ~/voz/ENVIRONMENT/lock           held by the running deployment
#   ~/voz/proxy/                     the proxy that listens on the ports of all environments (deploy/proxy)
#
# A release listens on one of two ports of 127.0.0.1, the one that the release before does not use, so that
# both can run at once. The proxy sends requests to one of them.
#
# host.sh run ENVIRONMENT RELEASE|previous RUN PORT READY_TIMEOUT LOCK_TIMEOUT
#   runs the deployment RUN, detached from the connection, and shows its log until it ends; if RUN is
#   already running, or over, it only shows the log
set -euo pipefail

KEEP=3
CRASHES=3
# for the release before, which was ready once
BACK_TIMEOUT=600
# for the proxy, which loads no models
PROXY_TIMEOUT=60
# memory that stays free beside two releases, in MiB
SPARE_MEMORY=256

action=$1 environment=$2 target=$3 run=$4 port=$5 ready_timeout=$6 lock_timeout=$7
root=$HOME/voz/$environment
log=$root/logs/$run.log
status=$root/logs/$run.status
worker=$root/logs/$run.pid
# shellcheck source=deploy/host_proxy.sh
source "$(dirname "$0")/host_proxy.sh"
if ((port <= 45535)); then
  release_ports=($((port + 10000)) $((port + 20000)))
else
  release_ports=($((port - 10000)) $((port - 20000)))
fi

say() { printf '[%s] %s\n' "$environment" "$*"; }
fail() {
  say "FAILED: $*"
  exit 1
}

# ------------------------------------------------------------------------------------------------- show

run() {
  mkdir -p "$root/logs"
  # mkdir succeeds only once: a second `run` of the same deployment only shows the log
  if mkdir "$root/logs/$run" 2>/dev/null; then
    : >"$log"
    setsid nohup bash "$0" activate "${@:2}" >>"$log" 2>&1 </dev/null &
    echo "$!" >"$worker.partial"
    mv "$worker.partial" "$worker"
  fi
  while [[ ! -e $worker ]]; do sleep 0.1; done
  tail -n +1 -s 0.2 -f --pid="$(<"$worker")" "$log"
  [[ -e $status ]] || fail "the deployment was killed, or the host restarted; see \`docker ps\` and deploy again"
  return "$(<"$status")"
}

# ------------------------------------------------------------------------------------------------ docker

# compose for one release: `compose RELEASE ARGUMENTS`. The lock's descriptor is not for it. The port of .env is
# the proxy's: what stands in the environment takes precedence.
compose() {
  local folder=$root/releases/$1
  shift
  PORT=${release_port:-$port} BIND_ADDRESS=127.0.0.1 "${compose_command[@]}" --project-name "voz-$environment" \
    --project-directory "$folder" --file "$folder/docker-compose.yml" --env-file "$folder/.env" "$@" 9>&-
}

check_host() {
  local tool
  for tool in docker curl flock; do
    command -v "$tool" >/dev/null || fail "$tool is not installed on this host"
  done
  compose_command=(docker compose)
  docker compose version >/dev/null 2>&1 || compose_command=(docker-compose)
  "${compose_command[@]}" version >/dev/null 2>&1 || fail "Docker Compose is not installed on this host"
  docker info >/dev/null 2>&1 || fail "$(id -un) may not use Docker here: sudo usermod -aG docker $(id -un)"
}

# Lines of a container's id and ports, for each container of this environment that serves
containers() {
  docker ps "$@" --filter "label=com.docker.compose.project=voz-$environment" \
    --filter label=com.docker.compose.service=voz --format '{{.ID}} {{.Ports}}' 9>&-
}

crashes() {
  docker inspect --format '{{.RestartCount}}' "$1" 2>/dev/null || echo 0
}

ready_status() {
  curl -s --noproxy '*' -o /dev/null -w '%{http_code}' --max-time 5 "http://127.0.0.1:$1/health/ready" || true
}

# 0 once /health/ready of a container says so within so many seconds; else 1, and the reason in $why
wait_until_ready() {
  local container=$1 seconds=$2 end=$((SECONDS + $2)) answer=000
  while ((SECONDS < end)); do
    answer=$(ready_status "$release_port")
    [[ $answer != 200 ]] || return 0
    if (($(crashes "$container") + 0 >= CRASHES)); then
      why="it starts and ends again and again"
      return 1
    fi
    sleep 1
  done
  [[ $answer != 000 ]] || answer="no answer"
  why="/health/ready did not say 200 within $seconds s (last: $answer)"
  return 1
}

# A setting of a release; an empty line if it has none
setting() {
  sed -n "s/^$2='\\(.*\\)'\$/\\1/p" "$root/releases/$1/.env" | tail -n 1
}

# ---------------------------------------------------------------------------------------------- activate

lock() {
  exec 9>"$root/lock"
  flock --nonblock 9 && return
  say "another deployment is running; waiting for it"
  flock --timeout "$lock_timeout" 9 || fail "another deployment held the lock for more than $lock_timeout s"
}

# The newest release in the history that is not in service and still there
before() {
  local candidate
  tac "$root/history" 2>/dev/null | while read -r candidate; do
    if [[ $candidate != "$1" && -d $root/releases/$candidate ]]; then
      echo "$candidate"
      break
    fi
  done
}

leave_status() {
  echo "$1" >"$status.partial"
  mv "$status.partial" "$status"
}

activate() {
  trap 'leave_status $?' EXIT
  check_host
  lock
  local current release=$target
  current=$(readlink "$root/current" || true)
  current=${current##*/}
  if [[ $target == previous ]]; then
    release=$(before "$current")
    [[ -n $release ]] || fail "there is no release before the one in service"
  fi
  prepare "$release"
  find_port
  put_into_service "$release" "$current" "$serving"
  clean_up
  say "$release is in service on port $port"
}

# The port for the new release, and the container that serves now. What else runs was left by a deployment that
# was killed.
find_port() {
  local id in_service
  in_service=$(port_in_service)
  [[ -n $in_service ]] || in_service=$port
  serving=''
  for id in $(containers --all | cut -d' ' -f1); do
    if [[ $(port_of "$id") == "$in_service" ]]; then serving=$id; else take_down "$id"; fi
  done
  release_port=${release_ports[0]}
  [[ $in_service != "$release_port" ]] || release_port=${release_ports[1]}
}

# Everything that can be done while the old release still serves
prepare() {
  say "building $1"
  compose "$1" build || fail "the image could not be built; ${current:-nothing} is still in service"
  say "fetching missing weights"
  compose "$1" run --rm --no-deps -T voz python -m src.weights ||
    fail "the weights could not be fetched; ${current:-nothing} is still in service"
  fetch_proxy || fail "the proxy's image could not be fetched; ${current:-nothing} is still in service"
}

put_into_service() {
  local release=$1 current=$2 serving=$3 why=''
  if [[ -z $serving ]] || fits_beside "$release" "$serving"; then
    start_beside "$release" && wait_until_ready "$container" "$ready_timeout" && serve "$release" "$current" && return
    [[ -z $container ]] || docker logs --tail 40 "$container" 2>&1 || true
    take_down "$container"
    [[ -n $serving ]] || fail "$release was taken down: $why. There is no release before it to go back to"
    # one that held the proxy's port is gone already
    [[ -n $(port_of "$serving") ]] || go_back "$release" "$current" "$why"
    [[ $(port_in_service) != "$release_port" ]] || point_proxy_at "$current" "$(port_of "$serving")" || true
    fail "$release: $why. $current, the release before, is still in service"
  fi
  start_instead "$release" && wait_until_ready "$container" "$ready_timeout" && serve "$release" "$current" && return
  [[ -z $container ]] || docker logs --tail 40 "$container" 2>&1 || true
  go_back "$release" "$current" "$why"
}

# Memory for a second release: as much as the first one uses now, and a quarter for its start; or what
# DEPLOY_MEMORY_MB says
fits_beside() {
  local release=$1 used needed available
  used=$(docker stats --no-stream --format '{{.MemUsage}}' "$2" 9>&- | sed 's/ .*//' |
    numfmt --from=auto --suffix=B --to-unit=Mi | tr -d B) || used=0
  needed=$(setting "$release" DEPLOY_MEMORY_MB)
  needed=${needed:-$((used * 5 / 4))}
  available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' "${MEMINFO:-/proc/meminfo}") / 1024))
  if ((available - SPARE_MEMORY >= needed)); then
    say "a second release needs $needed MiB; $available MiB are free: the new one starts beside the old one"
    return 0
  fi
  say "a second release needs $needed MiB beside $SPARE_MEMORY MiB to spare; only $available MiB are free"
  say "so the old one stops first, and nobody answers until the new one is ready"
  return 1
}

# The containers that serve stay as they are; compose makes one more. Its id is in $container.
start_beside() {
  local before status=0
  before=$(containers --all | cut -d' ' -f1)
  say "starting $1"
  compose "$1" up --detach --no-build --no-deps --no-recreate \
    --scale "voz=$(($(wc -w <<<"$before") + 1))" voz || status=$?
  container=$(containers --all | cut -d' ' -f1 | grep -vxF "${before:-none}" | head -n 1 || true)
  [[ $status == 0 && -n $container ]] && return
  why="its containers could not be started"
  return 1
}

start_instead() {
  say "starting $1"
  container=''
  compose "$1" up --detach --no-build --no-deps voz || why="its containers could not be started"
  container=$(containers | cut -d' ' -f1 | head -n 1)
  [[ -z $why && -n $container ]]
}

# Send the requests to the container that is ready, then end the one before: it finishes what it has begun
serve() {
  local release=$1 current=$2 old other others
  for old in $(containers --all | cut -d' ' -f1); do
    # a release of before there was a proxy has the proxy's port
    [[ $old == "$container" || $(port_of "$old") != "$port" ]] || take_down "$old"
  done
  if ! point_proxy_at "$release" "$release_port"; then
    why="the proxy does not reach it"
    return 1
  fi
  ln -sfn "releases/$release" "$root/current.new"
  mv -T "$root/current.new" "$root/current"
  echo "$release" >>"$root/history"
  say "requests go to $release; ${current:-nothing} finishes what it has begun"
  for old in $(containers --all | cut -d' ' -f1); do
    [[ $old == "$container" ]] || take_down "$old"
  done
  # what else COMPOSE_PROFILES asks for
  others=$(compose "$release" config --services | grep -vxF voz || true)
  for other in $others; do
    compose "$release" up --detach --no-build --no-deps "$other" || say "$other could not be started"
  done
}

take_down() {
  [[ -n $1 ]] || return 0
  docker stop "$1" >/dev/null 2>&1 9>&- || true
  docker rm --force "$1" >/dev/null 2>&1 9>&- || true
}

# The port of 127.0.0.1 (before there was a proxy: of the host) that a container publishes
port_of() {
  containers --all | sed -n "s/^$1 .*:\([0-9]*\)->.*/\1/p" | head -n 1
}

# The release before has been stopped, so it starts anew
go_back() {
  local release=$1 current=$2 reason=$3 why=''
  say "rolling back to $current"
  if start_instead "$current" && wait_until_ready "$container" "$BACK_TIMEOUT"; then
    ! point_proxy_at "$current" "$release_port" ||
      fail "$release: $reason. $current, the release before, is in service again"
    why="the proxy does not reach it"
  fi
  fail "$release: $reason. $current, the release before, does not answer either: $why"
}

# Releases that became ready: the last few are kept for rollback. The others are kept for a day, for inspection.
clean_up() {
  local folder release
  for folder in "$root"/releases/*/; do
    release=$(basename "$folder")
    tail -n "$KEEP" "$root/history" | grep -qxF "$release" && continue
    if grep -qxF "$release" "$root/history" || [[ -n $(find "$folder" -maxdepth 0 -mtime +0) ]]; then
      docker image rm "voz:$environment-$release" >/dev/null 2>&1 9>&- || true
      rm -rf "$folder"
    fi
  done
  find "$root/logs" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
}

case $action in
  run) run "$@" ;;
  activate) activate ;;
  *) fail "unknown action $action" ;;
esac
