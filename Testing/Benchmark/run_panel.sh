#!/usr/bin/env bash
# Measures what a user of the panels waits for on this machine: results, blocked windows, live mode, cancel.
#   Testing/Benchmark/run_panel.sh [--out DIR] [--rounds N] [--cancels N]
# Uses the environment of Testing/run_tests.sh. Some minutes; leave the machine alone meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
python="$repository/.venv-test/bin/python"

"$python" -c 'import slicer_core, PySide6' 2>/dev/null ||
  stop "The packages of the tests are needed, Slicer's MRML and Qt among them. Type this, then run the command again:  $repository/Testing/run_tests.sh"
export QT_QPA_PLATFORM=offscreen
case " $* " in *" --out "* | *" --out="*) ;; *) set -- "$@" --out "$repository/out/benchmark-panel" ;; esac
exec "$python" "$repository/Testing/Benchmark/panel.py" "$@"
