#!/usr/bin/env bash
# Deploy the commit that is checked out here to the environment of a branch:
#
#   deploy/deploy.sh develop|quality|main               deploy this release
#   deploy/deploy.sh develop|quality|main --rollback    deploy the previous release again
#
# Required environment variables (in CI: secrets of the same names):
#   LIGHTSAIL_HOST  LIGHTSAIL_USERNAME  LIGHTSAIL_SSH_KEY (the private key, or the path of its file)
#   API_KEY  APP_AWS_ACCESS_KEY_ID  APP_AWS_SECRET_ACCESS_KEY  AWS_REGION (the last three only with S3)
# Optional:
#   S3_BUCKET_NAME        without it audio is kept on the host
#   DOMAIN                the environment's name in DNS: HTTPS, with certificates that the proxy gets by itself
#   VOZ_SETTINGS          further lines for .env, NAME=value each
#   LIGHTSAIL_HOST_KEY    the host's public key ("ssh-ed25519 AAAA..."): then no other is trusted;
#                         without it, a host that was never seen before is trusted
#   VOZ_PORT              another port than the branch's
#   LIGHTSAIL_PORT=22  READY_TIMEOUT=900 (seconds)  LOCK_TIMEOUT=1800 (seconds to wait for another deploy)
#
# It sends the release, then .env, and starts deploy/host.sh on the host. That script runs detached: if the
# connection breaks, the host still finishes or rolls back, and this script reconnects to ask for the result.
# Secrets travel on standard input only, never as an argument, and are never printed.
set -euo pipefail

say() { printf '[deploy] %s\n' "$*"; }
die() {
  printf '[deploy] %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit 2
}

# Branch -> environment, PORT, STT_MODEL, S3_PREFIX
environment_of() {
  case $1 in
    develop) environment=development port=8001 stt_model=base s3_prefix=dev/ ;;
    quality) environment=qa port=8002 stt_model=base s3_prefix=qa/ ;;
    main) environment=production port=8000 stt_model=medium s3_prefix=prod/ ;;
    *) die "the branch '$1' has no environment: develop, quality and main have" ;;
  esac
  port=${VOZ_PORT:-$port}
}

need() {
  local name
  for name in "$@"; do
    [[ -n ${!name:-} ]] || die "$name is not set"
  done
}

# ------------------------------------------------------------------------------------------------ .env

# NAME='value': taken literally by every version of compose
line() {
  case $2 in
    *"'"* | *$'\n'*) die "$1 may hold neither a single quote nor a line break" ;;
  esac
  printf "%s='%s'\n" "$1" "$2"
}

further_lines() {
  local name_and_value
  while IFS= read -r name_and_value || [[ -n $name_and_value ]]; do
    name_and_value=${name_and_value%$'\r'}
    [[ -z $name_and_value || $name_and_value == '#'* ]] && continue
    [[ $name_and_value =~ ^[A-Z][A-Z0-9_]*= ]] || die "VOZ_SETTINGS: every line must be NAME=value"
    line "${name_and_value%%=*}" "${name_and_value#*=}"
  done <<<"${VOZ_SETTINGS:-}"
}

env_file() {
  line API_KEY "$API_KEY"
  line STT_MODEL "$stt_model"
  line PORT "$port"
  line S3_PREFIX "$s3_prefix"
  line S3_BUCKET_NAME "${S3_BUCKET_NAME:-}"
  line AWS_ACCESS_KEY_ID "${APP_AWS_ACCESS_KEY_ID:-}"
  line AWS_SECRET_ACCESS_KEY "${APP_AWS_SECRET_ACCESS_KEY:-}"
  line AWS_REGION "${AWS_REGION:-us-east-1}"
  line LOG_FORMAT json
  # only the proxy of the host reaches the release's port
  line FORWARDED_ALLOW_IPS '*'
  line DOMAIN "${DOMAIN:-}"
  [[ -z ${DOMAIN:-} ]] || line PUBLIC_URL "https://$DOMAIN"
  line VOZ_RELEASE "$environment-$release"
  further_lines
  # the host checks for this line: without it, the file is incomplete
  printf '# complete\n'
}

# ------------------------------------------------------------------------------------------- connection

prepare_ssh() {
  private=$(mktemp -d)
  trap 'rm -rf "$private"' EXIT
  local key=$private/key
  if [[ -f $LIGHTSAIL_SSH_KEY ]]; then
    key=$LIGHTSAIL_SSH_KEY
  else
    (umask 077 && printf '%s\n' "$LIGHTSAIL_SSH_KEY" | tr -d '\r' >"$key")
  fi
  local ssh_port=${LIGHTSAIL_PORT:-22} name=$LIGHTSAIL_HOST
  ssh_command=(
    ssh -T -p "$ssh_port" -i "$key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=15
    -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o LogLevel=ERROR
  )
  if [[ -n ${LIGHTSAIL_HOST_KEY:-} ]]; then
    [[ $ssh_port == 22 ]] || name="[$LIGHTSAIL_HOST]:$ssh_port"
    printf '%s %s\n' "$name" "$LIGHTSAIL_HOST_KEY" >"$private/known_hosts"
    ssh_command+=(-o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$private/known_hosts")
  else
    ssh_command+=(-o StrictHostKeyChecking=accept-new)
  fi
  ssh_command+=(-l "$LIGHTSAIL_USERNAME" -- "$LIGHTSAIL_HOST")
}

# Run a script on the host, its arguments quoted for the shell there
on_host() {
  local words
  printf -v words '%q ' bash -c "$@"
  "${ssh_command[@]}" "$words"
}

# ------------------------------------------------------------------------------------------------ steps

# Single quotes on purpose: the host's shell expands these lines
# shellcheck disable=SC2016
send_release() {
  say "sending $release to $environment"
  git archive --format=tar HEAD | gzip | on_host '
    set -euo pipefail
    umask 022
    partial=$HOME/voz/$1/releases/$2.partial
    mkdir -p -m 700 "$HOME/voz" "$HOME/voz/$1"
    mkdir -p "$partial"
    tar -xzf - -C "$partial"' send "$environment" "$release" ||
    die "the release could not be sent; nothing has changed on the host"
}

# shellcheck disable=SC2016
send_env() {
  # built before it is sent: a value that cannot be written must stop this script
  local text
  text=$(env_file)
  printf '%s\n' "$text" | on_host '
    set -euo pipefail
    umask 077
    release=$HOME/voz/$1/releases/$2
    cat >"$release.partial/.env"
    [[ $(tail -n 1 "$release.partial/.env") == "# complete" ]]
    mv "$release.partial" "$release"' send "$environment" "$release" ||
    die ".env could not be sent; nothing has changed on the host"
}

# shellcheck disable=SC2016
activate() {
  local target=$1 run attempt status
  run=$(date -u +%Y%m%d%H%M%S)-$$-$RANDOM
  for attempt in 1 2 3 4 5; do
    status=0
    on_host '
      set -euo pipefail
      root=$HOME/voz/$1 from=$2
      if [[ $from == previous ]]; then from=$(readlink "$root/current" || true); else from=releases/$from; fi
      [[ -n $from ]] || { echo "no release has ever been in service here" >&2; exit 1; }
      exec bash "$root/$from/deploy/host.sh" run "$@"' \
      host "$environment" "$target" "$run" "$port" "${READY_TIMEOUT:-900}" "${LOCK_TIMEOUT:-1800}" || status=$?
    # 255 is ssh's own status: the connection failed, not the deployment
    [[ $status == 255 ]] || return "$status"
    say "the connection broke; the host continues. Reconnecting ($attempt of 5)"
    sleep "$((attempt * 2))"
  done
  die "the host cannot be reached any more; how it ended is in ~/voz/$environment/logs/$run.log there"
}

main() {
  [[ $# == 1 || ($# == 2 && $2 == --rollback) ]] || usage
  environment_of "$1"
  need LIGHTSAIL_HOST LIGHTSAIL_USERNAME LIGHTSAIL_SSH_KEY
  prepare_ssh
  if [[ ${2:-} == --rollback ]]; then
    activate previous
    return
  fi
  need API_KEY
  if [[ -n ${S3_BUCKET_NAME:-} ]]; then
    need APP_AWS_ACCESS_KEY_ID APP_AWS_SECRET_ACCESS_KEY AWS_REGION
  fi
  cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"
  printf -v release '%s-%s-%04x' "$(date -u +%Y%m%d%H%M%S)" "$(git rev-parse --short=12 HEAD)" "$RANDOM"
  send_release
  send_env
  activate "$release"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  main "$@"
fi
