#!/bin/sh
# make_venv.sh FOLDER [PYTHON]: make a virtual environment, or say clearly why it cannot be made.
# With --check in place of FOLDER it only checks.
set -eu
folder=$1
wanted=${2:-}

fits() { # the pinned packages have wheels for 3.11 to 3.14
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [ -n "$wanted" ]; then
    candidates=$wanted
else
    candidates="python3 python3.11 python3.12 python3.13 python3.14"
fi
python=
for candidate in $candidates; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -z "$python" ]; then
    found=
    for candidate in $candidates; do
        version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
        found="${found:+$found, }$candidate is $version"
    done
    echo "Voz needs Python 3.11 or newer, and there is none here (${found:-no Python 3 at all})." >&2
    echo "  Debian 12, 13, Ubuntu 24.04:  sudo apt-get install python3 python3-venv" >&2
    echo "  Ubuntu 22.04:                 sudo apt-get install python3.11 python3.11-venv" >&2
    echo "Then run make again. If Python is elsewhere: make PYTHON=/path/to/python." >&2
    exit 1
fi

# Debian and Ubuntu ship `venv` without the files that it needs to install pip
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    echo "$python cannot make virtual environments. On Debian and Ubuntu:" >&2
    echo "  sudo apt-get install $version-venv" >&2
    exit 1
fi
[ "$folder" = --check ] || exec "$python" -m venv "$folder"
