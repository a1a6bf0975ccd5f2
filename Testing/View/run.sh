#!/usr/bin/env bash
# Runs the viewer's tests in a browser: makes .venv-view (the extra "view" pins another slicer-core than the other tests), needs Chromium.
#   Testing/View/run.sh --prepare    only makes .venv-view; fails where Python 3.12, Chromium or the packages cannot be had
#   Testing/View/run.sh -k narrow    any options of pytest
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
environment="$repository/.venv-view"

python=python3.12  # which may be there and not work, as pyenv's
is_python "$python" 12 || python=$("$repository/.venv-test/bin/python" -c 'import sys; print(sys._base_executable)' 2>/dev/null || true)
[ -n "$python" ] && is_python "$python" 12 || stop "Python 3.12 is needed; Testing/run_tests.sh fetches one."
command -v chromium >/dev/null || command -v google-chrome >/dev/null || stop "Chromium is needed. Type this, then run the command again:  sudo apt-get install -y chromium"

install() {
  say "Installing the viewer's packages (about 400 MB to download)"
  "$environment/bin/python" -m pip install --quiet --requirement "$repository/Testing/View/requirements.txt" &&
    "$environment/bin/python" -m pip install --quiet --editable "$repository[view]"
}

make_environment "$environment" "$python"
fill_environment "$environment" "$(key_of "$repository/pyproject.toml" "$repository/Testing/View/requirements.txt")" install
[ "${1:-}" != --prepare ] || exit 0
cd "$repository"
exec "$environment/bin/python" -m pytest --rootdir Testing/View --config-file /dev/null -q Testing/View "$@"
