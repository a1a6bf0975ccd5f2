# Sourced by main_job.sh, run_tests.sh and Benchmark/run.sh: finds a Python, makes a virtual environment, fills it once.
# Everything goes into the repository's folder (.venv*), nothing into the system or the home folder.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONNOUSERSITE=1
unset PYTHONHOME PYTHONPATH
# Without a home folder that can be written to, pip and matplotlib keep their caches here.
if [ ! -w "${HOME:-/nonexistent}" ]; then
  export HOME="$repository/.venv-home"
  mkdir -p "$HOME"
fi

say() { printf '[livertumor] %s\n' "$*" >&2; }

stop() {
  say "$*"
  exit 1
}

# version PYTHON: prints "3 12", or nothing where PYTHON does not run.
version() { "$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null; }

# is_python PYTHON MINOR: does it run, and is it Python 3.MINOR?
is_python() { [ "$(version "$1")" = "3 $2" ]; }

# need_python: stops, with what to type, where there is no Python >= 3.11 on the PATH.
need_python() {
  find_python >/dev/null || stop "Python 3.11 or newer is needed. Type this, then run the command again:  sudo apt-get update && sudo apt-get install -y python3 python3-venv   (on Ubuntu 22.04: python3.11 python3.11-venv)"
}

# find_python: prints the first Python >= 3.11 on the PATH; the plain python3 first, then by number.
find_python() {
  local candidate found
  for candidate in python3 python3.12 python3.13 python3.11 python3.14; do
    found=$(version "$candidate")
    if [ -n "$found" ] && [ "${found#3 }" -ge 11 ]; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# make_environment FOLDER PYTHON: a virtual environment with pip, made again where it is missing, broken or of another Python version.
make_environment() {
  local folder=$1 python=$2 minor
  if [ -x "$folder/bin/python" ] && [ "$(version "$folder/bin/python")" = "$(version "$python")" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  rm -rf "$folder"
  say "Making the environment ${folder#"$repository"/} with $("$python" --version) ($python)"
  if ! "$python" -m venv "$folder" >"$folder.log" 2>&1; then
    rm -rf "$folder"
    minor=$(version "$python")
    grep -v '^$' "$folder.log" | tail -n 3 >&2
    rm -f "$folder.log"
    stop "This Python cannot make virtual environments. Type this, then run the command again:  sudo apt-get update && sudo apt-get install -y python3-venv python3.${minor#3 }-venv"
  fi
  rm -f "$folder.log"
}

# fill_environment FOLDER KEY INSTALL...: runs the function INSTALL once for each KEY (what was installed is remembered in FOLDER/installed).
fill_environment() {
  local folder=$1 key=$2
  shift 2
  if [ "$(cat "$folder/installed" 2>/dev/null)" = "$key" ]; then
    return
  fi
  "$@" || stop "Installing the packages failed; see the message of pip above (no internet connection?), then run the command again."
  printf '%s\n' "$key" >"$folder/installed"
}

# key_of FILE...: changes whenever one of the files does, or the place of the repository.
key_of() { { printf '%s\n' "$repository"; cat "$@"; } | sha256sum | cut -d ' ' -f 1; }

# make_main_environment: the environment that users run in, .venv, whose folder is then in $environment.
make_main_environment() {
  need_python
  environment="$repository/.venv"
  make_environment "$environment" "$(find_python)"
  fill_environment "$environment" "$(key_of "$repository/pyproject.toml")" install_main
}

install_main() {
  say "Installing the package with its inference libraries (about 150 MB to download, no TensorFlow)"
  "$environment/bin/python" -m pip install --quiet --editable "$repository[files]"
}
