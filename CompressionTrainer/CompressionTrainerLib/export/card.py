"""The model card: what a bundle is, what it was trained on and how it was measured, from the manifest alone."""

from __future__ import annotations

from LiverTumorLib.models.manifest import Manifest

from ..evaluation.text import one_answer
from ..networks.config import architecture_title
from ..provenance import code_of

PURPOSE = {
    "liver": "Segments the liver, tumors included, on axial slices of abdominal CT. Stage 1 of the two-stage pipeline.",
    "tumor": "Segments tumor on axial slices of abdominal CT. Stage 2 of the two-stage pipeline.",
    "slice": "Gives the probability that an axial slice of abdominal CT holds liver tumor.",
}
# Test patients of the split of the shipped models are on record with the source.
SHIPPED_SPLIT = "lits17-subset"
MEASURED = (
    "Figures on test patients, with intervals: `Testing/evaluation-log.jsonl` and the README; made by `livertumor "
    "evaluate`."
)
MEASURE_YOURSELF = (
    "On validation patients only, see the manifest; `livertumor evaluate` measures it on the test patients of its "
    "split."
)


def model_card(manifest: Manifest, size: int) -> str:
    """Markdown text of the card."""
    spec, training = manifest.input, manifest.training
    config, rows, columns = training["config"], *spec.size
    network = architecture_title(manifest.task, config["network"])
    start = "ImageNet weights of MobileNetV2" if training["imagenet"] else "random weights"
    if training["start"]:
        start += (
            ", then the weights of an exported model"
            if training["start"].endswith(".tflite")
            else ", then the weights of an earlier run"
        )
    made = "".join(f"\n- {sentence}" for sentence in _compression(training))
    versions = ", ".join(f"{name} {number}" for name, number in training["versions"].items())
    code, name = code_of(training), config["name"]
    width, seed, batch = config["network"]["width"], config["seed"], config["optimizer"]["batch"]
    quantization = manifest.files["model.tflite"]["quantization"]
    source = training.get("source") or f"'{training['split']}'"
    measured = MEASURED if training["split"] == SHIPPED_SPLIT else MEASURE_YOURSELF
    level = "" if spec.liver_hu is None else f", the liver's median brought to {spec.liver_hu:.0f} HU"
    run, slices = training["log"]["epochs_run"], config["sampling"]["slices"]
    epochs = "1 epoch" if run == "1" else f"{run} epochs"
    quantize = "`livertumor quantize`, " if training.get("quantization") else ""
    return f"""# {manifest.id} {manifest.version}

{PURPOSE[manifest.task]}

**Not a medical device. Research use only.** License of the weights: {manifest.license}

## Network
- {network}, width {width}, {quantization}, {size / 1e6:.2f} MB.
- Input: {rows} x {columns} pixels of {spec.spacing_mm} mm, canvas centered on the {spec.region};
  three channels are the slice and its neighbors {spec.neighbor_mm} mm below and above;
  HU {spec.window_hu[0]:.0f} to {spec.window_hu[1]:.0f} shown{level}.
- Threshold {manifest.threshold:.2f}{_sure(manifest)}.

## Training
- Data: {source}, split by {training.get("split_by", "patient")}. Trained on cases {_list(training["cases"]["train"])};
  {_choices(training)}. {_others(training)}
- Start: {start}.{made}
- {epochs} of {slices} slices, batch {batch}, seed {seed}.
- {code[0].upper()}{code[1:]}; `livertumor train {name}.toml`, {quantize}`livertumor export`.
- {versions}.

## Measured
{measured}

{_beside_float(manifest.metrics["int8_against_float"], training.get("quantization", {}).get("distill", False))}

## Limits{_alike(manifest)}
- Trained on {len(training["cases"]["train"])} cases; what is not among them (other contrast phases, chest and pelvis,
  children, livers after surgery) it has not learned. Small and faint lesions are often missed.
- A lesion is anything that the readers of the training data marked as tumor. The network cannot tell a metastasis from
  a primary tumor or a cyst.
"""


def answers_alike(manifest: Manifest) -> str | None:
    """A sentence on a slice classifier that gave one answer for all slices that its threshold was chosen on; None for
    any other."""
    figures = manifest.metrics.get("validation", {})
    same = one_answer(figures["called_tumor"], figures["slices"]) if "called_tumor" in figures else None
    return f"{manifest.id} {same} Train it longer, or start from other weights, before you use it." if same else None


def _others(training: dict) -> str:
    """What the weights that training started from had seen beside these cases."""
    known = training.get("train_ct_sha256")
    more = len(known or []) - len(training["cases"]["train"])
    if more > 0:
        return f"Its start was trained on {more} other CTs."
    return "No other case was seen." if known or not training["start"] else "What its start had seen is not known."


def _alike(manifest: Manifest) -> str:
    same = answers_alike(manifest)
    return f"\n- **{same}**" if same else ""


def _sure(manifest: Manifest) -> str:
    return (
        f"; a lesion counts where it reaches {manifest.sure:.2f} somewhere"
        if manifest.sure > manifest.threshold
        else ""
    )


def _choices(training: dict) -> str:
    """On which cases, and for which network, the operating point was chosen."""
    if (chosen := training.get("operating_point")) and "folds" in chosen:
        return (
            f"thresholds chosen on what {chosen['folds']} networks of this kind answered about patients that each had "
            "not seen\n"
            f"  (cross-validation by person, cases {_list(chosen['chosen_on'])})"
        )
    if chosen:
        return (
            f"threshold and calibration are those of {chosen['id']} {chosen['version']}, chosen on cases "
            f"{_list(chosen['chosen_on'])}\n"
            "  before these were trained on too (a refit)"
        )
    return f"weights, threshold and calibration chosen on cases {_list(training['cases']['val'])}"


def _beside_float(figures: dict, taught: bool) -> str:
    """How the int8 network answers beside its float twin: the network that taught it, or its own weights in float."""
    if "same_decision" in figures:
        same = f"same decision in {figures['same_decision']:.1%} of the slices"
    else:
        same = f"Dice between their masks {figures['mean_dice']:.4f} on average, {figures['worst_dice']:.4f} at worst"
        if "truth_dice" in figures:
            same += (
                f"; Dice with the truth {figures['truth_dice']:.4f} against {figures['float_truth_dice']:.4f}, mean "
                "over the cases"
            )
    twin = "the float network that taught it" if taught else "float, the same weights"
    patients = {"train": "training", "val": "validation"}[figures["patients"]]
    return (
        f"int8 against {twin}, on {figures['slices']} slices of the {patients} patients: {same}; the probability "
        f"differs by {figures['mean_difference']:.4f} on average and by {figures['worst_difference']:.4f} at most."
    )


def _compression(training: dict) -> list[str]:
    """What was done to the network before it was quantized, a sentence each."""
    sentences = []
    if slimming := training.get("slimming"):
        before, after = slimming["parameters"]
        sentences.append(f"Slimmed: channels were taken out, {before} parameters became {after} (`livertumor slim`).")
    if pruning := training.get("pruning"):
        sentences.append(
            f"Pruned: {pruning['sparsity']:.0%} of the weights of its convolutions are zero (`livertumor prune`)."
        )
    if distillation := training.get("distillation"):
        teacher = distillation["config"]
        sentences.append(
            f"Taught by '{teacher['name']}', a network of width {teacher['network']['width']} (`livertumor distill`)."
        )
    return sentences


def _list(cases: list[str]) -> str:
    """Ids, numbers in their order first."""
    names = sorted(map(str, cases), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    return ", ".join(names)
