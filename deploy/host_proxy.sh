# The part of host.sh that keeps the proxy of this host. Sourced by it, never run.
#
# One Caddy serves all environments. Its folder ~/voz/proxy holds deploy/proxy of the last release that was
# deployed, and of each environment a site and the port that its requests go to. Caddy reads the port for each
# request: a change of its configuration would cost a few connections that are just being opened.
# shellcheck shell=bash disable=SC2154

proxy=$HOME/voz/proxy
site=$proxy/sites/$environment.caddy
port_file=$proxy/sites/$environment.port

compose_proxy() {
  "${compose_command[@]}" --project-name voz-proxy --project-directory "$proxy" \
    --file "$proxy/docker-compose.yml" --env-file /dev/null "$@" 8>&- 9>&-
}

# Environments are deployed at the same time, but only one changes the proxy
lock_proxy() {
  exec 8>"$proxy/lock"
  flock --timeout 300 8
}

# The port that requests of this environment go to; nothing before the first deployment
port_in_service() {
  cat "$port_file" 2>/dev/null || true
}

# Before the old release is touched: the image is there, and its folder
fetch_proxy() {
  local source status=0
  source=$(dirname "$0")/proxy
  mkdir -p "$proxy/sites"
  lock_proxy || return
  cp "$source/host.Caddyfile" "$source/options.caddy" "$source/docker-compose.yml" "$proxy/"
  # without the internet, an image that is here already will do
  compose_proxy pull --quiet ||
    docker image inspect "$(sed -n 's/^ *image: //p' "$proxy/docker-compose.yml")" >/dev/null 2>&1 || status=1
  exec 8>&-
  return "$status"
}

# site_block ADDRESS [FURTHER LINE]
site_block() {
  printf '%s {\n' "$1"
  [[ -z ${2:-} ]] || printf '\t%s\n' "$2"
  # twice the server's limit: what is just too large, the server refuses in its own words
  printf '\trequest_body {\n\t\tmax_size %sMB\n\t}\n' "$((2 * ${max_upload:-100}))"
  # `tcp/`: without it Caddy takes the placeholder for a host and adds a port
  printf '\treverse_proxy tcp/127.0.0.1:{file./etc/caddy/sites/%s.port} {\n\t\timport ../options.caddy\n\t}\n}\n' \
    "$environment"
}

site_for() {
  local domain max_upload
  domain=$(setting "$1" DOMAIN)
  max_upload=$(setting "$1" MAX_UPLOAD_MB)
  if [[ -n $domain ]]; then
    site_block "$domain"
    site_block "http://:$port" 'bind 127.0.0.1'
  else
    site_block "http://:$port"
  fi
}

# Requests that are in flight end where they are; new ones go to this port of 127.0.0.1
point_proxy_at() {
  local release=$1 end=$((SECONDS + PROXY_TIMEOUT)) status=0 changed=''
  lock_proxy || return
  printf %s "$2" >"$port_file.new"
  mv "$port_file.new" "$port_file"
  site_for "$release" >"$site.new"
  cmp --quiet "$site.new" "$site" || changed=yes
  mv "$site.new" "$site"
  # does nothing where it runs already and its image is the same
  compose_proxy up --detach || status=$?
  while ((status == 0)); do
    # right after its start, Caddy does not take a configuration yet
    [[ -z $changed ]] ||
      ! compose_proxy exec -T proxy caddy reload --config /etc/caddy/host.Caddyfile >/dev/null 2>&1 || changed=''
    [[ -n $changed || $(ready_status "$port") != 200 ]] || break
    ((SECONDS < end)) || status=1
    sleep 0.2
  done
  exec 8>&-
  return "$status"
}
