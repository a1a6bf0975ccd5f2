#!/usr/bin/env bash
# Runs the tests: makes .venv-test with exact versions (Testing/requirements-lock.txt), checks style, spelling, types and imports, runs pytest.
#   Testing/run_tests.sh                 everything but the tests marked slow
#   Testing/run_tests.sh --fast          without TensorFlow, panels and real CT: for the loop of a developer
#   Testing/run_tests.sh --style         style, spelling, types and imports only
#   Testing/run_tests.sh --coverage      also says how much of the code the tests reach
#   Testing/run_tests.sh -k metrics      any options of pytest
# Tests on real CT run where LIVERTUMOR_TEST_DATA names the data folder; the others need no data.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
environment="$repository/.venv-test"

only_style=0
options=()
for argument in "$@"; do
  case $argument in
    --style) only_style=1 ;;
    --fast) options+=(--fast) && unset LIVERTUMOR_TEST_DATA ;;
    --coverage) options+=(--cov --cov-report=term:skip-covered) ;;
    *) options+=("$argument") ;;
  esac
done

# find_python312: Slicer 5.12 and the slicer-core package are Python 3.12, so that one is looked for first, and fetched with uv if need be.
find_python312() {
  local candidate
  for candidate in python3.12 "$environment/bin/python" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python "$repository"/.venv-uv/python/cpython-3.12*/bin/python3; do
    if is_python "$candidate" 12; then
      "$candidate" -c 'import sys; print(sys._base_executable)'
      return
    fi
  done
  say "No Python 3.12 here; trying to fetch one with uv"
  make_environment "$repository/.venv-uv" "$(find_python)" >&2
  "$repository/.venv-uv/bin/python" -m pip install --quiet uv >&2 || return 1
  "$repository/.venv-uv/bin/uv" python install --quiet --install-dir "$repository/.venv-uv/python" 3.12 >&2 || return 1
  ls -d "$repository"/.venv-uv/python/cpython-3.12*/bin/python3 | head -n 1
}

need_python
if ! python=$(find_python312); then
  python=$(find_python)
  say "No Python 3.12 could be had: the tests of the Slicer side (MRML, panels) will be skipped, since slicer-core exists for 3.12 only."
fi

install() {
  say "Installing the test packages (about 700 MB to download, TensorFlow among them; some minutes)"
  "$environment/bin/python" -m pip install --quiet --requirement "$repository/Testing/requirements-lock.txt" &&
    "$environment/bin/python" -m pip install --quiet --no-deps --requirement "$repository/Testing/requirements-lock-nodeps.txt" &&
    "$environment/bin/python" -m pip install --quiet --no-deps --editable "$repository"
}

make_environment "$environment" "$python"
fill_environment "$environment" "$(key_of "$repository"/pyproject.toml "$repository"/Testing/requirements-lock*.txt)" install

# VTK and Qt load these libraries of the system; a bare container lacks some of them.
if is_python "$environment/bin/python" 12 && ! missing=$("$environment/bin/python" -c 'import vtk, PySide6.QtWidgets, PySide6.QtUiTools' 2>&1); then
  say "$(printf '%s' "$missing" | tail -n 1)"
  stop "Libraries that VTK and Qt need are missing. Type this, then run the command again:  sudo apt-get update && sudo apt-get install -y libgl1 libegl1 libxrender1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0"
fi

cd "$repository"
say "Checking style, spelling, types and imports"
complaints=0
# check TOOL OPTION…: says something only where the tool does.
check() {
  local said
  said=$("$environment/bin/$1" "${@:2}" 2>&1) && return
  printf '%s\n' "$said" >&2
  complaints=1
}
check ruff check --quiet .
check ruff format --quiet --check .
check codespell
check mypy --no-error-summary
check lint-imports --no-cache --no-logo
[ "$only_style" -eq 0 ] || exit "$complaints"
say "Running the tests"
export QT_QPA_PLATFORM=offscreen MPLBACKEND=Agg
# A process for each CPU; the tests of a file share what they made, so they stay together.
"$environment/bin/python" -m pytest -m "not slow" --no-header --numprocesses auto --dist loadfile --no-loadscope-reorder ${options[@]+"${options[@]}"} || exit 1
[ "$complaints" -eq 0 ] || stop "The tests pass, but there are complaints about style, spelling, types or imports (above); \`$environment/bin/ruff check --fix .\` and \`ruff format .\` correct most of them."
