#!/usr/bin/env bash
# The main job: segment liver and tumor, classify the slices, write all results.
#   Testing/main_job.sh                        on the digital phantom that comes with the software, into out/demo
#   Testing/main_job.sh CT [CT…] [--out DIR]   on your CT: NIfTI, NRRD or a DICOM folder, into out/segment unless --out says otherwise
# All other options are those of `livertumor demo` and `livertumor segment`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

make_main_environment

job=segment
for argument in "$@"; do
  case $argument in -h | --help) exec "$environment/bin/livertumor" "$job" --help ;; esac
done
if [ $# -eq 0 ] || [ "${1#--}" != "$1" ]; then job=demo; fi
case " $* " in *" --out "* | *" --out="*) ;; *) set -- "$@" --out "$repository/out/$job" ;; esac
say "livertumor $job $*"
exec "$environment/bin/livertumor" "$job" "$@"
