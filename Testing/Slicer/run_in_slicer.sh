#!/usr/bin/env bash
# Installs the extension's archive into a real Slicer and runs there the self tests that ctest would run:
#   Testing/Slicer/run_in_slicer.sh /opt/Slicer-5.12.3-linux-amd64 5.12.3
# It needs a display (xvfb-run will do), the internet for the inference library, git, and `pip install cmake`. Use a Slicer of its own:
# the extension stays installed in it. Not yet run: Slicer could not be installed where it was written.
set -euo pipefail
slicer=$(cd "$1" && pwd)
release=$2
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

archive=$(python3 "$repository/Testing/Packaging/make_extension_archive.py" --out "$scratch" --os linux --release "$release")
echo "Installing $archive"
"$slicer/Slicer" --no-splash --no-main-window --ignore-slicerrc --python-code "
manager = slicer.app.extensionsManagerModel()
manager.interactive = False
installed = manager.installExtension(r'$archive')
open(r'$scratch/place', 'w').write(manager.extensionInstallPath('LiverTumor'))
slicer.util.exit(0 if installed else 1)"
modules="$(cat "$scratch/place")/lib/Slicer-${release%.*}/qt-scripted-modules"
[ -f "$modules/LiverTumorClassifier.py" ] || { echo "The extension is not where it was expected: $modules" >&2; exit 1; }
"$slicer/bin/PythonSlicer" -m pip install --quiet ai-edge-litert nibabel

failed=0
# self_test FOLDER NAME [OPTION…]: as slicer_add_python_unittest runs it. With --testing Slicer reads no settings, so it is told the modules' folder.
self_test() {
  echo "== $2 ${*:3}"
  "$slicer/Slicer" --no-splash --testing --additional-module-paths "$modules" "${@:3}" \
    --python-code "import slicer.testing; slicer.testing.runUnitTest([r'$1'], '$2')" || failed=1
}
for module in LiverTumorClassifier LiverSegmentationMobileUNet CompressionTrainer; do
  self_test "$modules" "$module"
done
self_test "$repository/Testing/Slicer" LiverTumorSceneTest
self_test "$repository/Testing/Slicer" LiverTumorPanelsTest
self_test "$repository/Testing/Slicer" LiverTumorPanelsTest --no-main-window
self_test "$repository/Testing/Slicer" LiverTumorBatchTest --no-main-window
exit "$failed"
