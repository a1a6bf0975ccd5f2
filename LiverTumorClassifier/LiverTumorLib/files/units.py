"""Are the values of a volume Hounsfield units? If not: what was done to them (an offset, a factor, a sign, wrapped or
swapped bits).

A CT shows itself in its histogram: a peak of air, and 1000 above it a broader one of fat and soft tissue with little
beyond. The two are looked for wherever they lie. All of this works on samples of the voxels.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError

OFFSET_HU = 1024  # what DICOM scanners add to store HU as unsigned numbers
MOST_HU = 1e5
_SAMPLES = 500_000
_BIN = 10.0  # HU
_NEAR = 300.0  # HU; contrast, fat and noise move the peaks by less
_FACTORS = (2.0, 4.0, 10.0, 8.0, 16.0, 32.0, 64.0, 100.0, 256.0, 1000.0, 0.1, 1 / 16, 0.01)
_FRACTIONS = tuple(0.72 * 0.87**step for step in range(10))  # peaks are found where the factor is 15 % off
_USUAL = (-32768, -1024, -1000, 1000, 1024, 2048, 4096, 8192, 16384, 32768)  # offsets
# The ends of gray values in 8 bits, as numbers of any type; rounding and smoothing take up to 1 from them.
_GRAY = ((0, 255), (-128, 127))
_LEAST_PILE = 0.05  # of all values; in 10 HU of air or liver less has one and the same value
_THINNED = 4  # one of so many is looked at where many factors are tried
_JUDGED = 20_000  # values; smaller cut-outs may hold nothing but lung or bone


def check_units(array: np.ndarray, name: str) -> None:
    """Refuse values that cannot be HU, and say what they seem to be.

    Windowed CT pass, whatever their window, and so do cut-outs, padding of any value and volumes of one tissue.

    Args:
        array: (k, j, i) int16 or float32; values that are not finite are passed over.
        name: what to call the volume.

    Raises:
        InputError: the values are not HU, as a whole or in some slices.
    """
    values = spread_sample(array, 200_000)
    values = values[np.isfinite(values)].astype(np.float64)
    low, high, whole = values.min(), values.max(), bool((values == np.rint(values)).all())
    offset = measured_offset(values)
    if offset is None or abs(offset) >= _NEAR:
        fault = _fault(values, offset, whole)
        if fault:
            raise InputError(f"{name} {fault}")
    bottom, top = np.percentile(values, (0.1, 99.9))
    if max(-bottom, top) > MOST_HU:
        raise InputError(f"{name} has values from {low:.3g} to {high:.3g}, which no CT has; export it again.")
    if top - bottom < 20 and not whole:
        raise InputError(
            f"{name} has values from {low:.3g} to {high:.3g} only, so its intensities were normalized; a CT in "
            "Hounsfield units is needed."
        )
    lowest, highest = _extremes(array)
    if any(least <= lowest <= least + 1 and most - 1 <= highest <= most for least, most in _GRAY):
        raise InputError(
            f"{name} has gray values from {lowest:g} to {highest:g}, so it is a picture, not a CT in Hounsfield units; "
            "export the CT."
        )
    if offset is None:
        _refuse_mr(values, top, name)
    _check_slices(array, name)


def spread_sample(array: np.ndarray, samples: int = _SAMPLES) -> np.ndarray:
    """Some half a million values from all over a (k, j, i) array, of all its columns."""
    step = max(1, array.size // samples)
    while math.gcd(step, array.shape[-1]) > 1:
        step += 1
    return array.ravel()[::step]


def _extremes(array: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of all finite values: of a picture, a single pixel may reach the ends of its gray
    scale."""
    if array.dtype.kind in "iu":
        return float(array.min()), float(array.max())
    planes = [finite for plane in array if (finite := plane[np.isfinite(plane)]).size]
    return float(min(plane.min() for plane in planes)), float(max(plane.max() for plane in planes))


def looks_offset(values: np.ndarray) -> bool:
    """Whether values look like CT stored as HU + 1024."""
    offset = measured_offset(np.asarray(values, np.float64))
    return _all_near(values, OFFSET_HU) if offset is None else abs(offset - OFFSET_HU) < 100


def measured_offset(values: np.ndarray, pile: float | None = None) -> float | None:
    """By how much the peaks of a CT lie above where HU have them, to about 30 HU; None where there are no such peaks.

    Padding, a pile of one value far below all others, is passed over, and where that does not help the `pile`.
    """
    for part in _without_padding(values):
        offset = _offset_of_peaks(part)
        if offset is not None:
            return offset
    return None if pile is None else _offset_of_peaks(values[values != pile])


def _pile(values: np.ndarray) -> float | None:
    """The value that so many have that they may be padding, which need not lie below all others; None where none is."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if counts.max() >= _LEAST_PILE * values.size else None


def _without_padding(values: np.ndarray) -> list[np.ndarray]:
    """The values without piles far below the rest, then with them, since air may be such a pile too."""
    parts = [values]
    for _ in range(3):
        values = parts[0]
        pile = values == values.min()
        rest = values[~pile]
        if np.count_nonzero(pile) < 0.002 * values.size or rest.size < 0.02 * parts[-1].size:
            break
        if np.percentile(rest, 0.5) - values.min() < 200:
            break
        parts.insert(0, rest)
    return parts


def _offset_of_peaks(values: np.ndarray) -> float | None:
    """The offset at which values are a CT with air around a body; the middle one of those that fit, weighed by how
    well."""
    if values.size < 500:  # none at all, where nearly every voxel is padding
        return None
    low, high = values.min(), values.max()
    if not 500 < high - low < 1e6:
        return None
    first = math.floor(low / _BIN)
    counts = np.bincount(
        (values / _BIN).astype(np.int64) - first if low >= 0 else np.floor(values / _BIN).astype(np.int64) - first
    )
    share = counts / values.size
    below = np.concatenate(([0.0], np.cumsum(share)))
    offsets = np.arange(0, share.size + 120)  # in bins from the first; air lies 100 bins below

    def mass(start: float, end: float) -> np.ndarray:
        places = [np.clip(offsets + int(edge / _BIN), 0, share.size) for edge in (start, end)]
        return below[places[1]] - below[places[0]]

    air, tissue, lower, upper = mass(-1150, -850), mass(-200, 300), mass(-1e6, -1200), mass(-500, 1e6)
    between = mass(-800, -250)
    fits = (air > 0.08) & (tissue > 0.08) & (tissue > 0.7 * upper) & (lower < 0.01) & (between < 0.5 * (air + tissue))
    if not fits.any():
        return None
    places = np.flatnonzero(share)
    hu = (places[None, :] - offsets[fits][:, None] + 0.5) * _BIN
    score = (_bell(hu, 50, 40) + _bell(hu, -100, 30) + 0.5 * _bell(hu, -1000, 40)) @ share[places]
    offset = (first + offsets[fits][score.argmax()]) * _BIN
    return float(offset) if _right_way_up(values - offset) else None


def _right_way_up(hu: np.ndarray) -> bool:
    """Whether the upper of two peaks is the tissue: bone lies beyond it, nothing beyond air. Without bone, the broader
    is."""
    bone, beyond_air = np.mean(hu > 300), np.mean(hu < -1150)
    if abs(bone - beyond_air) > 5e-4:
        return bool(bone > beyond_air)
    return _spread(hu[(hu > -1150) & (hu < -850)]) < _spread(hu[(hu > -200) & (hu < 300)])


def _bell(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((values - center) / width) ** 2)


def _spread(values: np.ndarray) -> float:
    return float(np.subtract(*np.percentile(values, (75, 25))))


def _fault(values: np.ndarray, offset: float | None, whole: bool) -> str | None:
    """What was done to values that are not HU, and what to do; None where nothing can be told."""
    if offset is not None and (values.size >= _JUDGED or _usual(offset)):
        return _scale_sentence(*_peaks(values, offset)) or _offset_sentence(offset)
    if values.size < _JUDGED:
        return _offset_sentence(float(OFFSET_HU)) if _all_near(values, OFFSET_HU) else None
    pile = _pile(values)
    if (offset := measured_offset(values, pile)) is not None and abs(offset) >= _NEAR:
        return _offset_sentence(offset)
    for modulus in (65536, 4096):
        unwrapped = _unwrapped(values, modulus)
        if unwrapped is not None and measured_offset(unwrapped) is not None:
            return (
                f"looks like a CT whose negative values were wrapped to large ones ({values.max():g}; signed numbers "
                f"read as unsigned ones, or the reverse); subtract {modulus} from the values of the upper part, or "
                "export it again as signed numbers."
            )
    mirrored = measured_offset(-values)
    if mirrored is not None:
        return (
            f"looks like a CT with inverted values (air near {1000 - mirrored:.0f}, above all tissue); export it "
            "again, not inverted."
        )
    if whole and np.ptp(values) > 8000 and values.min() >= -32768 and values.max() < 65536:
        swapped = values.astype(np.int64).astype(np.uint16).byteswap().view(np.int16).astype(np.float64)
        if measured_offset(swapped) is not None:
            return (
                "looks like a CT whose bytes are in the wrong order (big and little endian mixed up); export it again."
            )
    for factor in _FACTORS:
        if _is_multiple(values, factor):
            return (
                f"looks like a CT whose values were multiplied by about {factor:g} (air and soft tissue lie "
                f"{1000 * factor:g} apart, not 1000); export it again in Hounsfield units, or undo it."
            )
    for factor in _FRACTIONS:
        if sentence := _squeezed(values[::_THINNED], factor, pile):
            return sentence
    if _all_near(values, OFFSET_HU):
        return _offset_sentence(float(OFFSET_HU))
    if any(np.mean((part > -250) & (part < 400)) > 0.005 for part in _without_padding(values)):
        return None
    part = _without_padding(values)[0]
    if np.subtract(*np.percentile(part, (95, 5))) < 800 and np.ptp(part) > 20:
        return _offset_sentence(float(np.median(part)))
    return (
        f"has values from {values.min():.4g} to {values.max():.4g} with nothing near 0, where fat, water and soft "
        "tissue lie in Hounsfield units; export the CT again in Hounsfield units."
    )


def _usual(offset: float) -> list[int]:
    """The customary offsets that a measured one may be, the nearest first."""
    return sorted((value for value in _USUAL if abs(value - offset) < 60), key=lambda value: abs(value - offset))


def _offset_sentence(offset: float) -> str:
    usual = _usual(offset)
    what = " or ".join(map(str, usual)) if usual else f"{offset:.0f}"
    verb = f"subtract {what} from its values" if offset > 0 else f"add {what.replace('-', '')} to its values"
    exact = "the one that its source names, or that brings" if len(usual) > 1 else "which brings"
    twice = "was subtracted twice, perhaps; " if offset < 0 and usual else ""
    return (
        f"looks like a CT stored with an offset of {what} ({twice}measured: about {offset:.0f}; soft tissue lies near "
        f"{offset + 50:.0f}); {verb} ({exact} air to -1000 and fat to -100) and try again."
    )


def _peaks(values: np.ndarray, offset: float, factor: float = 1.0) -> tuple[float, float]:
    """Where air and soft tissue lie in a CT that was multiplied by a factor; `offset` is that of the values before."""
    hu = values / factor - offset
    edges = np.arange(-200.0, 310.0, 10.0)
    tissue = edges[np.histogram(hu, edges)[0].argmax()] + 5
    return factor * (float(np.median(hu[(hu > -1150) & (hu < -850)])) + offset), factor * (tissue + offset)


def _scale_sentence(air: float, tissue: float) -> str | None:
    """What is wrong with values whose peaks do not lie as far from each other as in HU; None where they do."""
    if 850 < tissue - air < 1150:  # fat is 900 above air, a contrasted liver 1150
        return None
    return (
        f"looks like a CT whose values were rescaled (air lies near {air:.0f}, soft tissue or fat near {tissue:.0f}, "
        "which lie 900 to 1100 apart in Hounsfield units); export it again in Hounsfield units, or undo it."
    )


def _squeezed(values: np.ndarray, factor: float, pile: float | None) -> str | None:
    """What is wrong with a CT multiplied by a factor below 1.

    A CT in a window looks alike, but has its soft tissue where HU have it, and its air, or what lies above the window,
    is one value; fat and soft tissue alone look alike, too.
    """
    offset = measured_offset(values / factor, None if pile is None else pile / factor)
    if offset is None:
        return None
    air, tissue = _peaks(values, offset, factor)
    edge = _is_one_value(values, air, factor)
    if _is_one_value(values, tissue, factor) or (-200 < tissue < 200 and (edge or air > -_NEAR)):
        return None
    return _scale_sentence(air, tissue)


def _is_one_value(values: np.ndarray, peak: float, factor: float) -> bool:
    """Whether a peak is the end of a window, or padding."""
    around = values[np.abs(values - peak) < 150 * factor]
    return bool(np.unique(around, return_counts=True)[1].max(initial=0) > 0.5 * around.size)


def _windowed(values: np.ndarray) -> bool:
    """Whether all but padding is soft tissue and fat in HU."""
    part = _without_padding(values)[0]
    return bool(np.mean((part > -250) & (part < 400)) > 0.95)


def _unwrapped(values: np.ndarray, modulus: int) -> np.ndarray | None:
    """The values with their upper part moved down by the modulus, where a wide gap parts it from the lower; None where
    there is none."""
    low, high = values.min(), values.max()
    if not 0.75 * modulus <= high - low < modulus:
        return None
    edges = np.linspace(low, high, 257)
    full = np.flatnonzero(np.histogram(values, edges)[0] > 2e-4 * values.size)
    widest = np.diff(full).argmax() if full.size > 1 else 0
    if full.size < 2 or full[widest + 1] - full[widest] < 0.25 * 256:
        return None
    upper = values > edges[(full[widest] + full[widest + 1] + 1) // 2]
    if not 0.02 < upper.mean() < 0.98 or _spread(values[upper]) < 10:  # one value alone is padding
        return None
    return np.where(upper, values - modulus, values)


def _is_multiple(values: np.ndarray, factor: float) -> bool:
    """Whether values are those of a CT times a factor. Below 1, a CT in a window looks alike, but has its soft tissue
    farther up; above, one with padding does, whose soft tissue lies where HU have it."""
    offset = None if factor > 1 and _windowed(values) else measured_offset(values / factor)
    if offset is None:
        return False
    if factor > 1:
        air, peak = _peaks(values, offset, factor)
        return not (-200 < peak < 200 and _is_one_value(values, air, factor))
    hu = values / factor - offset
    soft = hu[(hu > -200) & (hu < 300)]
    commonest = np.unique(soft, return_counts=True)[1].max() / soft.size
    window = np.mean(values == values.min()) > 0.15 and abs(offset) > 60
    return bool(_spread(soft) < 250 and commonest < 0.4 and not window)


def _all_near(values: np.ndarray, offset: float) -> bool:
    """Whether all values are those of soft tissue and fat under an offset: a cut-out without air."""
    return bool(np.mean((values > offset - 150) & (values < offset + 250)) > 0.95)


def _refuse_mr(values: np.ndarray, top: float, name: str) -> None:
    """A windowed CT has negative values, or piles of voxels at the top of its window; MR has neither."""
    if np.mean(values < 0) > 0.02:
        return
    background = np.mean(values <= 0.05 * top)
    windowed = np.mean(values >= values.max()) > 0.001
    tissue = np.median(values[values > 0.05 * top])
    if _cut_at_zero(values):
        return
    if background > 0.2 and not windowed and top < 12 * tissue:
        raise InputError(
            f"{name} has no negative values, as MR images have, so it cannot be a CT in Hounsfield units; choose the "
            "CT, or export it again if its values were rescaled."
        )


def _cut_at_zero(values: np.ndarray) -> bool:
    """Whether values are those of a CT whose negative ones became 0: many zeros, soft tissue where HU have it, bone."""
    rest = values[values > 0]
    near = np.mean((rest > 0) & (rest < 200))
    return bool(
        np.mean(values == 0) > 0.2 and near > 0.7 and 20 < np.median(rest) < 120 and np.percentile(rest, 99.9) > 400
    )


def _check_slices(array: np.ndarray, name: str) -> None:
    """Some slices of a CT may have been stored otherwise than the rest."""
    wrong: list[tuple[int, float]] = []
    for k in range(array.shape[0]):
        values = spread_sample(array[k : k + 1], max(2000, _SAMPLES // array.shape[0]))
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size == 0 or np.ptp(values) < 500:
            continue
        inside = values[values > values.min()]  # air at the lower end may be padding
        if np.mean((inside < -850) & (inside > -1200)) > 0.01:
            continue
        offset = measured_offset(values)
        if offset is not None and abs(offset) >= _NEAR and np.mean(np.abs(values - (offset - 1000)) < 150) > 0.15:
            wrong.append((k, offset))
    if wrong:
        raise InputError(
            f"{name} has {len(wrong)} of {array.shape[0]} slices (the first is number {wrong[0][0]}, counted from 0) "
            f"whose values lie about {wrong[0][1]:.0f} above those of the others, as of a CT stored with an offset; "
            "export it again."
        )
