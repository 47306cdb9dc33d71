#!/usr/bin/env bash
# System packages that the tests need: names those that are missing and why, and installs them if it can
# (apt; with sudo, if not root). Debian 12 and 13, Ubuntu 22.04 and 24.04.
set -euo pipefail
cd "$(dirname "$0")/.."

# sshd and nginx are in folders that only root has in its PATH
PATH=$PATH:/usr/sbin:/sbin

missing=()
# need PACKAGE WHY TEST...: the package is missing if the test fails
need() {
    local package=$1 why=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    echo "missing: $package ($why)" >&2
    missing+=("$package")
}

a_browser() {
    local name found
    for name in google-chrome google-chrome-stable chromium; do
        found=$(command -v "$name") || continue
        # a snap cannot access the tests' folders and sockets
        [[ $(readlink -f "$found") == /snap/* || $(readlink -f "$found") == */snap ]] || return 0
    done
    # Playwright's own
    compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}/chromium*" >/dev/null
}

apt_has() {
    # not `| grep -q`: it ends before apt-cache does, and the pipe would fail
    [[ $(apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[!\(]* ]]
}

check() {
    missing=()
    # PYTHON: what `make test PYTHON=...` names
    if [ ! -x .venv/bin/python ] && ! scripts/make_venv.sh --check ${PYTHON:+"$PYTHON"} 2>/dev/null; then
        if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || ! apt_has python3.11; then
            need python3-venv "the virtual environment for all else" false
        else
            need python3.11-venv "Python 3.11, since python3 is older here" false
        fi
    fi
    need git "some tests start from a checkout" command -v git
    need curl "the commands of the README are run as they stand" command -v curl
    need python3-swift "a real S3 server, for the storage tests" /usr/bin/python3 -I -c 'import swift'
    need openssh-server "a host to deploy to" command -v sshd
    need nginx "a real proxy, for the tests of what stands behind one" command -v nginx
    need postgresql "a real database server, for the tests of jobs" compgen -G '/usr/lib/postgresql/*/bin/initdb'
    need redis-server "the counters of several machines, for the tests of limits" command -v redis-server
    need espeak-ng "Coqui's own way to phonemes, to compare with" command -v espeak-ng
    need shellcheck "the linter of the scripts" command -v shellcheck
    # Ubuntu's package `chromium-browser` is a snap; there the tests use Playwright's own browser (tests/support/browser.py)
    if ! a_browser && ! { command -v apt-get >/dev/null && [ -n "${1:-}" ] && ! apt_has chromium; }; then
        need chromium "a browser, for the documentation page" a_browser
    fi
}

check
[ ${#missing[@]} -gt 0 ] || exit 0

by_hand() {
    echo "$1 Type this, and run make again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
}

if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here: install these with this system's own package manager, and run make again." >&2
    echo "The tests that need none of them: make test-fast" >&2
    exit 1
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || by_hand "Only root may install them, and there is no sudo."
    # without a terminal nobody can enter a password
    [ -t 0 ] || sudo -n true 2>/dev/null || by_hand "sudo asks for a password."
    sudo=(sudo)
fi

echo "Installing them with apt-get." >&2
"${sudo[@]}" apt-get update -qq
check with-lists 2>/dev/null
[ ${#missing[@]} -gt 0 ] || exit 0
for package in "${missing[@]}"; do
    if ! apt_has "$package"; then
        echo "This distribution has no package $package (on Ubuntu it is in \`universe\`):" >&2
        echo "  sudo add-apt-repository universe" >&2
        exit 1
    fi
done

# The tests start sshd and nginx themselves, on ports of their own: nothing may listen because of them
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    # shellcheck disable=SC2064
    trap "${sudo[*]} rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
    "${sudo[@]}" chmod 755 $policy
fi
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
if [ -d /run/systemd/system ]; then
    for package in "${missing[@]}"; do
        case $package in
        openssh-server) "${sudo[@]}" systemctl disable --quiet --now ssh.socket ssh.service || true ;;
        postgresql) "${sudo[@]}" systemctl disable --quiet --now postgresql.service || true ;;
        nginx) "${sudo[@]}" systemctl disable --quiet --now nginx.service || true ;;
        esac
    done
fi

check with-lists 2>/dev/null
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installed, but still not found: ${missing[*]}" >&2
    exit 1
fi
