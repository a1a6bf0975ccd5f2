#!/bin/sh
# The studies of Docs/study.md: how much a slice-wise split flatters, and MobileNetV2 against the seed paper's baselines, each five-fold.
#   Testing/Study/run.sh DATA IMAGENET OUT [leak|baselines]
# DATA: lits17-subset; IMAGENET: mobilenet_v2_1.0_224.npz; only one of the studies where it is named. A study that was stopped goes on where it
# was. LIVERTUMOR names the command where it is not on the path.
set -eu
data=$1 imagenet=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
livertumor=${LIVERTUMOR:-livertumor}

# The six test patients of the frozen split are left out, so that no figure here can lead to a choice that they decide.
for kind in patient slice; do
    [ -f "$out/$kind/fold-5.json" ] || $livertumor prepare "$data" --out "$out/$kind" --split $kind --folds 5 --slices liver \
        --same-patient 7 9 --leave-out 3 18 36 39 41 48
done

fold() { # NAME SPLIT FOLD [option of train]…: train on a fold and measure it on that fold's test slices
    name=$1 kind=$2 k=$3
    shift 3
    results=$out/results/$name-by-$kind/fold-$k run=$out/runs/$kind-$k/$name
    [ -f "$results/comparison.json" ] && return
    [ "$name" = imagenet ] && set -- --imagenet "$imagenet"
    options="--data $data --split $out/$kind/fold-$k.json --cache $out/cache"
    $livertumor train "$out/$name.toml" $options --out "$run" "$@"
    $livertumor compare "$run" $options --subset test --out "$results" --log "$out/log.jsonl"
}

network() { # NAME ARCHITECTURE [PRECISION]: the studies' configuration with another network
    sed "s/^name = .*/name = \"$1\"/; s/^architecture = .*/architecture = \"$2\"/; s/^precision = .*/precision = \"${3:-float32}\"/" \
        "$here/small.toml" >"$out/$1.toml"
}

leak() {
    network imagenet mobilenet_v2
    for k in 1 2 3 4 5; do
        fold imagenet patient $k
        fold imagenet slice $k
    done
}

# From random weights. In bfloat16, all of them, where the processor multiplies such numbers: ResNet50 and VGG16 take several times as
# long otherwise. Where it does not, bfloat16 itself is what takes so long.
baselines() {
    precision=float32
    grep -qs amx_bf16 /proc/cpuinfo && precision=mixed_bfloat16
    for k in 1 2 3 4 5; do
        for architecture in mobilenet_v2 mobilenet_v1 resnet50 vgg16; do
            network $architecture $architecture $precision
            fold $architecture patient $k
        done
    done
}

mkdir -p "$out"
case ${4:-both} in
    both) leak; baselines ;;
    leak | baselines) "$4" ;;
    *) echo "run.sh: no study is called $4; there are leak and baselines" >&2; exit 2 ;;
esac
