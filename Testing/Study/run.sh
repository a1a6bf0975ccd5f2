#!/bin/sh
# The studies of Docs/study.md: how much a slice-wise split flatters, and MobileNetV2 against the classifier paper's baselines, each five-fold.
#   Testing/Study/run.sh DATA IMAGENET OUT [leak|baselines]
# DATA: lits17-subset; IMAGENET: mobilenet_v2_1.0_224.npz; only one of the studies where it is named. A study that was stopped continues where it
# was. LIVERTUMOR names the command where it is not on the path.
set -eu
data=$1 imagenet=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
livertumor=${LIVERTUMOR:-livertumor}

fold() { # STUDY NAME SPLIT FOLD [option of train]…: train on a fold and measure it on that fold's test slices
    study=$1 name=$2 kind=$3 k=$4
    shift 4
    results=$out/$study/results/$name-by-$kind/fold-$k
    [ -f "$results/comparison.json" ] && return
    run=$out/$study/runs/$kind-$k/$name options="--data $data --split $out/$kind/fold-$k.json --cache $out/cache"
    if [ ! -f "$run/trained" ]; then
        $livertumor train "$out/$study/$name.toml" $options --out "$run" "$@"
        touch "$run/trained"
    fi
    $livertumor compare "$run" $options --subset test --out "$results" --log "$out/log.jsonl"
}

network() { # STUDY NAME ARCHITECTURE [SLICES BATCH]: the studies' configuration with another network, or other epochs and batches
    mkdir -p "$out/$1"
    sed "s/^name = .*/name = \"$2\"/; s/^architecture = .*/architecture = \"$3\"/${4:+; s/^slices = .*/slices = $4/; s/^batch = .*/batch = $5/}" \
        "$here/small.toml" >"$out/$1/$2.toml"
}

leak() {
    network leak imagenet mobilenet_v2
    for k in 1 2 3 4 5; do
        for kind in patient slice; do
            fold leak imagenet $kind $k --imagenet "$imagenet"
        done
    done
}

# Epochs a quarter as long in batches half as large, since a step of VGG16 takes some twenty times as long as one of MobileNetV2.
baselines() {
    network baselines imagenet mobilenet_v2 384 16
    for k in 1 2 3 4 5; do
        fold baselines imagenet patient $k --imagenet "$imagenet"
    done
    for architecture in mobilenet_v2 mobilenet_v1 resnet50 vgg16; do
        network baselines $architecture $architecture 384 16
        for k in 1 2 3 4 5; do
            fold baselines $architecture patient $k
        done
    done
}

# The six test patients of the frozen split are left out, so that no figure here can lead to a choice that they decide.
for kind in patient slice; do
    [ -f "$out/$kind/fold-5.json" ] || $livertumor prepare "$data" --out "$out/$kind" --split $kind --folds 5 --slices liver \
        --same-patient 7 9 --leave-out 3 18 36 39 41 48
done
case ${4:-both} in
    both) leak; baselines ;;
    leak | baselines) "$4" ;;
    *) echo "run.sh: no study is called $4; there are leak and baselines" >&2; exit 2 ;;
esac
