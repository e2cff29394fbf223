# Makes the environment in .venv at the top of the project; sourced by the other tools.
# Usage: make_environment EXTRA   ("" for the library alone)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

make_environment() {
    local wanted=".[${1}]"
    [ -n "$1" ] || wanted="."
    local python="${PYTHON:-python3}"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "error: $("$python" --version) is too old, Python 3.11 or newer is needed; set PYTHON" >&2
        exit 1
    }
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    # What was installed, and from which requirements: a second call has nothing to do.
    local stamp=".venv/installed-${1:-base}"
    if [ ! -f "$stamp" ] || ! cmp -s pyproject.toml "$stamp"; then
        echo "installing kapl_jax into .venv"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$wanted"
        cp pyproject.toml "$stamp"
    fi
}
