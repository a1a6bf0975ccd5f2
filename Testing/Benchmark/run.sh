#!/usr/bin/env bash
# Measures speed and memory on this machine, and prints what is asked beside it: the whole analysis of a phantom of 512 x 512 x 129, of one of
# 600 slices and of a batch of 20, and each network in every engine that is installed.
#   Testing/Benchmark/run.sh [--out DIR] [--rounds N] [--threads 1 2] [--scan CT] [--torch PYTHON] [--growth]
# Uses the environment of the tests where there is one, which has Keras, else that of Testing/main_job.sh. Under ten minutes; leave the machine
# alone meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"

environment="$repository/.venv-test"
[ -x "$environment/bin/python" ] || make_main_environment
case " $* " in *" --out "* | *" --out="*) ;; *) set -- "$@" --out "$repository/out/benchmark" ;; esac
exec "$environment/bin/python" "$repository/Testing/Benchmark/benchmark.py" "$@"
