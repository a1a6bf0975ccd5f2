#!/usr/bin/env bash
# Measures how long the window stands still at each step of a reader on a scan of 512 x 512 x 300.
#   Testing/Benchmark/run_gaps.sh [--shape K J I]
# Uses the environment of Testing/run_tests.sh. Some minutes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
python="$repository/.venv-test/bin/python"

"$python" -c 'import slicer_core, PySide6' 2>/dev/null ||
  stop "The packages of the tests are needed, Slicer's MRML and Qt among them. Type this, then run the command again:  $repository/Testing/run_tests.sh"
export QT_QPA_PLATFORM=offscreen
exec "$python" "$repository/Testing/Benchmark/gaps.py" "$@"
