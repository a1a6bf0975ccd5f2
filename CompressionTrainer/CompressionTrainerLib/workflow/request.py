"""A chain as somebody asks for it who does not write configurations: a preset, and what is to be different."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from LiverTumorLib.errors import InputError, UsageError

from ..training.start import start_file
from .compose import chain_text
from .config import NEEDS, Chain, is_name, load_chain

PATIENT, SLICE = "patient", "slice"


@dataclass(frozen=True)
class ChainRequest:
    """A chain that is to be run.

    Attributes:
        config: text of its configuration.
        data: folder with the labeled CT.
        out: the chain's folder.
        split: a frozen split, or None where the chain makes its own.
        until: the stage after which it is to stop, or None for the last.
        overwrite: replace what is there from other settings.
    """

    config: str
    data: Path
    out: Path
    split: Path | None = None
    until: str | None = None
    overwrite: bool = False

    def words(self, config: Path) -> list[str]:
        """The command line after `livertumor`, the configuration lying in a file."""
        words = ["compress", str(config), "--data", str(self.data), "--out", str(self.out)]
        words += ["--split", str(self.split)] if self.split else []
        words += ["--until", self.until] if self.until else []
        return words + ["--overwrite"] * self.overwrite


@dataclass(frozen=True)
class ChainChoices:
    """What somebody chooses who does not write configurations.

    Attributes:
        data, out: folders.
        configuration: a chain configuration, or the name of a shipped one.
        network: a training configuration instead of its own.
        name: id of the model that comes out, instead of the configuration's.
        split: "patient"; "slice", as the classifier paper divided; or a frozen split file.
        leave_out: stages of the configuration that are not wanted.
        skip_bad: leave out the cases that cannot be used.
        imagenet, start: weights to start from; `start` may be a model's id.
        until, overwrite: see `ChainRequest`.
    """

    data: str | Path
    out: str | Path
    configuration: str | Path
    network: str | Path | None = None
    name: str | None = None
    split: str | Path = PATIENT
    leave_out: Collection[str] = ()
    skip_bad: bool = False
    imagenet: str | Path | None = None
    start: str | Path | None = None
    until: str | None = None
    overwrite: bool = False


def request_chain(asked: ChainChoices) -> ChainRequest:
    """Put a request together; looks at no data.

    Raises:
        InputError: there is no such data folder or split.
        UsageError: no folder to write to, an unknown setting, or a stage that needs one that is left out.
    """
    data, split = asked.data, asked.split
    if not data or not Path(data).is_dir():
        raise InputError(
            f"{data} is not a folder; choose that of the labeled CT."
            if data
            else "Choose the folder with the labeled CT."
        )
    if not str(asked.out):
        raise UsageError("Choose a folder to write to.")
    chain = chain_of(asked.configuration, asked.network, asked.leave_out, imagenet=asked.imagenet, start=asked.start)
    if asked.name:
        if not is_name(asked.name):
            raise UsageError(f"'{asked.name}' cannot be a model's name; use letters, digits, '-', '_' and '.' only.")
        chain = replace(chain, name=asked.name)
    frozen = None
    if split in (PATIENT, SLICE):
        kind = {"split": SLICE, "slices": "liver"} if split == SLICE else {"split": PATIENT}
        own = chain.stages.get("prepare", {}) | kind | ({"skip_bad": True} if asked.skip_bad else {})
        chain = replace(
            chain,
            stages={"prepare": own, **{stage: each for stage, each in chain.stages.items() if stage != "prepare"}},
        )
    else:
        frozen = Path(split).absolute()
        if not split or not frozen.is_file():
            raise InputError(f"'{split}' is not a split file; choose one that 'livertumor prepare' has written.")
    return ChainRequest(
        chain_text(chain), Path(data).absolute(), Path(asked.out).absolute(), frozen, asked.until, asked.overwrite
    )


def chain_of(
    configuration: str | Path,
    network: str | Path | None = None,
    leave_out: Collection[str] = (),
    *,
    imagenet: str | Path | None = None,
    start: str | Path | None = None,
) -> Chain:
    """A configuration without some of its stages; raises UsageError as `load_chain` does, and where a stage needs one
    that is left out."""
    files = {"imagenet": imagenet and Path(imagenet), "start": start and start_file(str(start))}
    files = {key: path.absolute() for key, path in files.items() if path}
    chain = load_chain(configuration, network, files)
    stages = {stage: settings for stage, settings in chain.stages.items() if stage not in leave_out or stage == "train"}
    for stage, needed in NEEDS.items():
        if stage in stages and needed not in stages:
            raise UsageError(f"The stage '{stage}' needs what '{needed}' makes; leave it out too.")
    return replace(chain, stages=stages)
