#!/usr/bin/env bash
# Measures speed and memory on this machine: the whole analysis of a 512x512x129 phantom, and each network with and without XNNPACK.
#   Testing/Benchmark/run.sh [--out DIR] [--rounds N] [--threads 1 2]
# Uses the environment of Testing/main_job.sh. A few minutes; leave the machine alone meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"

make_main_environment
case " $* " in *" --out "* | *" --out="*) ;; *) set -- "$@" --out "$repository/out/benchmark" ;; esac
exec "$environment/bin/python" "$repository/Testing/Benchmark/benchmark.py" "$@"
