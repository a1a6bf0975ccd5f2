#!/bin/sh
# How small and fast a student of the slice classifier may be, as Docs/study.md shows it: a float teacher that does not know the val
# patients, its first twelve bottlenecks, and these with few channels in the first layers.
#   Testing/Study/student.sh DATA OUT
# DATA: lits17-subset. Needs the repository's history. LIVERTUMOR names the command where it is not on the path. What was made stays.
set -eu
data=$1 out=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
livertumor=${LIVERTUMOR:-livertumor}
library=$root/CompressionTrainer/CompressionTrainerLib
split=$library/data/splits/lits17-subset.json configs=$library/training/configs
options="--data $data --split $split --cache $out/cache"

step() { # NAME COMMAND…: once
    name=$1
    shift
    [ -f "$out/done/$name" ] && return
    "$@"
    touch "$out/done/$name"
}

exported() { # RUN: make a model of a run's last weights, and measure it on the val patients in the true liver
    step "$1-export" $livertumor export "$out/$1" $options --weights last --out "$out/models/$1" --version 0.0.1
    step "$1-evaluate" $livertumor evaluate "$data" --split "$split" --subset val --true-liver --no-tumor --slice-model "$out/models/$1" \
        --out "$out/evaluated/$1" --log "$out/log.jsonl"
}

mkdir -p "$out/done" "$out/models"
# Slice classifier 0.3.0, the last that was not trained on the val patients, and two epochs of float training from there.
shipped=LiverTumorClassifier/LiverTumorLib/models/shipped/tumor-slice
git -C "$root" archive 66a81e8 $shipped | tar -x -C "$out"
sed "s/^learning_rate = .*/learning_rate = 1e-4/; s/^epochs = .*/epochs = 2/; s/^warmup_epochs = .*/warmup_epochs = 0.2/" \
    "$configs/tumor-slice.toml" >"$out/teacher.toml"
step teacher $livertumor train "$out/teacher.toml" $options --start "$out/$shipped" --out "$out/teacher"
exported teacher

sed "s/^epochs = .*/epochs = 4/" "$configs/tumor-slice-student.toml" >"$out/student.toml"
step student $livertumor distill "$out/teacher" $options --weights last --config "$out/student.toml" --from-teacher --out "$out/student"
exported student

step slim $livertumor slim "$out/student" $options --weights last --remove 0.6 --up-to-stride 8 --epochs 12 --learning-rate 5e-4 \
    --out "$out/slim"
exported slim

$livertumor benchmark "$out/teacher/float/teacher/model.tflite" "$out/models/teacher" "$out/models/student" "$out/models/slim" \
    --threads 1 --rounds 15 --slices 30 --out "$out/benchmark" --overwrite
