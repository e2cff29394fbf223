# Makes the environment at the top of the project; sourced by the other tools.
# Usage: make_environment EXTRA   ("" for the library alone)
# PYTHON is the Python that it is made with, VENV the folder, .venv if not given.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment="${VENV:-.venv}"

make_environment() {
    local wanted=".[${1}]"
    [ -n "$1" ] || wanted="."
    local python="${PYTHON:-python3}"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "error: $("$python" --version) is too old, Python 3.11 or newer is needed; set PYTHON" >&2
        exit 1
    }
    [ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
    # What was installed, and from which requirements: a second call has nothing to do.
    local stamp="$environment/installed-${1:-base}"
    if [ ! -f "$stamp" ] || ! cmp -s pyproject.toml "$stamp"; then
        echo "installing kapl_jax into $environment"
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
            --editable "$wanted"
        cp pyproject.toml "$stamp"
    fi
}
