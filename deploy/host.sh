#!/usr/bin/env bash
# The part of deploy.sh that works on the host. Each environment has a folder of its own:
#
#   ~/voz/ENVIRONMENT/releases/ID/   what was sent, with its .env
#   ~/voz/ENVIRONMENT/current        the release in service (a link), changed only once it is ready
#   ~/voz/ENVIRONMENT/history        every release that became ready, the newest last
#   ~/voz/ENVIRONMENT/logs/          the log of each deployment
#   ~/voz/ENVIRONMENT/lock           held by the running deployment
#
# host.sh run ENVIRONMENT RELEASE|previous RUN PORT READY_TIMEOUT LOCK_TIMEOUT
#   runs the deployment RUN, detached from the connection, and shows its log until it ends; if RUN is
#   already running, or over, it only shows the log
set -euo pipefail

KEEP=3
CRASHES=3
# for the release before, which was ready once
BACK_TIMEOUT=600

action=$1 environment=$2 target=$3 run=$4 port=$5 ready_timeout=$6 lock_timeout=$7
root=$HOME/voz/$environment
log=$root/logs/$run.log
status=$root/logs/$run.status
worker=$root/logs/$run.pid

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

# compose for one release: `compose RELEASE ARGUMENTS`. The lock's descriptor is not for it.
compose() {
  local folder=$root/releases/$1
  shift
  "${compose_command[@]}" --project-name "voz-$environment" --project-directory "$folder" \
    --file "$folder/docker-compose.yml" --env-file "$folder/.env" "$@" 9>&-
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

crashes() {
  local container
  container=$(compose "$1" ps --quiet voz 2>/dev/null) || return 0
  [[ -z $container ]] || docker inspect --format '{{.RestartCount}}' "$container" 2>/dev/null || true
}

# 0 once /health/ready says so within so many seconds; else 1, and the reason in $why
wait_until_ready() {
  local release=$1 seconds=$2 end=$((SECONDS + $2)) answer=000
  while ((SECONDS < end)); do
    answer=$(curl -s --noproxy '*' -o /dev/null -w '%{http_code}' --max-time 5 "http://127.0.0.1:$port/health/ready") || true
    [[ $answer != 200 ]] || return 0
    if (($(crashes "$release") + 0 >= CRASHES)); then
      why="it starts and ends again and again"
      return 1
    fi
    sleep 1
  done
  [[ $answer != 000 ]] || answer="no answer"
  why="/health/ready did not say 200 within $seconds s (last: $answer)"
  return 1
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
  put_into_service "$release" "$current"
  clean_up
  say "$release is in service on port $port"
}

# Everything that can be done while the old release still serves
prepare() {
  say "building $1"
  compose "$1" build || fail "the image could not be built; ${current:-nothing} is still in service"
  say "fetching missing weights"
  compose "$1" run --rm --no-deps -T voz python -m src.weights ||
    fail "the weights could not be fetched; ${current:-nothing} is still in service"
}

put_into_service() {
  local release=$1 current=$2 why=''
  say "starting $release"
  if ! compose "$release" up --detach --no-build --remove-orphans; then
    why="its containers could not be started"
  elif wait_until_ready "$release" "$ready_timeout"; then
    ln -sfn "releases/$release" "$root/current.new"
    mv -T "$root/current.new" "$root/current"
    echo "$release" >>"$root/history"
    return
  fi
  say "$release is not ready: $why. Its last lines:"
  compose "$release" logs --no-color --tail 40 voz || true
  go_back "$release" "$current" "$why"
}

go_back() {
  local release=$1 current=$2 reason=$3 why=''
  if [[ -z $current ]]; then
    compose "$release" down || true
    fail "$release was taken down: $reason. There is no release before it to go back to"
  fi
  say "rolling back to $current"
  compose "$current" up --detach --no-build --remove-orphans || true
  wait_until_ready "$current" "$BACK_TIMEOUT" ||
    fail "$release: $reason. $current, the release before, does not answer either: $why"
  fail "$release: $reason. $current, the release before, is in service again"
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
