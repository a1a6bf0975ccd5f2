"""`livertumor train CONFIG`: train one network from labelled CT."""

from __future__ import annotations

from pathlib import Path


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("train", help="train a network from labelled CT")
    parser.add_argument("config", type=Path, help="training configuration (TOML)")
    parser.add_argument("--data", type=Path, required=True, help="folder with CT and mask files")
    parser.add_argument("--split", type=Path, required=True, help="frozen patient-wise split (JSON)")
    parser.add_argument("--out", type=Path, required=True, help="folder of this run")
    parser.add_argument("--cache", type=Path, required=True, help="folder for prepared network slices, shared between runs")
    parser.add_argument("--imagenet", type=Path, help="ImageNet weights of MobileNetV2 (.npz)")
    parser.add_argument("--start", type=Path, help="weights of an earlier run to start from (.h5)")
    parser.set_defaults(func=run)


def run(args) -> int:
    from .config import load_config
    from .run import train

    train(load_config(args.config), args.data, args.split, args.out, args.cache, args.imagenet, args.start)
    return 0
