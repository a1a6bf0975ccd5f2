"""The intensity check lets CT of any window pass, repairs single bad voxels, and refuses what cannot be Hounsfield
units."""

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import check_ct
from scipy.ndimage import gaussian_filter

GRID = np.diag([-0.8, -0.8, 3.0, 1.0])


def body(shape=(12, 64, 64)) -> np.ndarray:
    """Float HU of a round body in air: fat, soft tissue, lung, bone, with noise."""
    k, j, i = np.indices(shape)
    r = np.hypot(j - shape[1] / 2, i - shape[2] / 2) / (shape[1] / 2)
    hu = np.where(r < 0.85, -100.0, -1000.0)
    hu[r < 0.75] = 60
    hu[(r < 0.3) & (k < 4)] = -850
    hu[np.hypot(j - 48, i - 32) < 4] = 900
    return hu + np.random.default_rng(1).normal(0, 15, shape)


def mr(shape=(12, 64, 64), scale=1.0) -> np.ndarray:
    """Magnitude values as of MR: dark noisy background, tissue with a smooth bias, bright fat."""
    rng = np.random.default_rng(2)
    signal = np.where(body(shape) < -500, 0.0, np.where(body(shape) < 0, 900.0, 400.0)) * (
        0.7 + 0.6 * np.linspace(0, 1, shape[2])
    )
    signal += 150 * gaussian_filter(rng.normal(size=shape), 2)
    return np.abs(signal + 1j * rng.normal(0, 12, shape) + rng.normal(0, 12, shape)) * scale


def checked(array: np.ndarray) -> CTVolume:
    return check_ct(CTVolume(array, GRID, "case 7"))


def refused(array: np.ndarray, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        checked(array)
    assert "case 7" in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, ">i2"])
def test_ct_of_any_type_passes(dtype):
    array = np.rint(body()).astype(dtype)
    volume = checked(array)
    assert volume.array.dtype == np.int16 and volume.array.dtype.isnative
    assert np.array_equal(volume.array, array) and volume.notes == ()


@pytest.mark.parametrize("window", [(-40, 161), (-160, 240), (-1000, 1000), (0, 200), (0, 400), (0, 3000), (-200, 0)])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_windowed_ct_passes(window, dtype):
    array = np.clip(np.rint(body()), *window).astype(dtype)
    assert np.array_equal(checked(array).array, array)


def test_a_cut_out_of_soft_tissue_passes():
    array = body()[5:, 24:36, 20:30]
    assert checked(array).array.min() > -50


@pytest.mark.parametrize(("dtype", "start"), [(np.int16, 5), (np.uint8, 0)])
def test_tiny_cut_outs_pass_whatever_few_values_they_hold(dtype, start):
    ct = np.clip(np.rint(body()), 0, 255).astype(dtype)
    for size in (2, 3, 4, 6):
        assert checked(ct[6 : 6 + size, start + 24 : start + 24 + size, 24 : 24 + size]).array.size == size**3


def test_a_ct_of_nearly_one_value_passes():
    array = np.full((40, 64, 64), -100, np.int16)
    array[5:35, 10:12, 10:12] = 60
    assert check_ct(CTVolume(array, np.eye(4))).array is array


def test_a_windowed_unsigned_ct_passes():
    ct = np.clip(np.rint(body()) + 40, 0, 201).astype(np.uint8)
    assert np.array_equal(checked(ct).array, ct)


@pytest.mark.parametrize(
    ("values", "dtypes"),
    [
        ((0, 1), (bool, np.uint8, np.int16, np.float32)),
        ((0, 1, 2), (np.uint8, np.uint16, np.float64)),
        ((0, 5, 13), (np.int8, np.int32)),
        ((0, 127, 255), (np.uint8, np.float32)),
        ((0, 1000, 2000), (np.int16, np.uint16)),
    ],
)
def test_label_maps_are_refused(values, dtypes):
    labels = np.array(values)[np.digitize(body(), (-500, 20)) * len(values) // 3]
    for dtype in dtypes:
        refused(
            labels.astype(dtype), f"{values[0]} (and|to) {values[-1]} only, as masks and label maps do; choose the CT"
        )


def test_padding_outside_the_scanned_circle_passes():
    array = np.rint(body()).astype(np.int16)
    array[:, :8] = -3024
    assert checked(array).array.min() == -3024


def test_metal_passes():
    array = np.rint(body()).astype(np.int16)
    array[5, 30:33, 30:33] = 30000
    checked(array)


def test_some_voxels_without_a_number_become_air():
    array = body().astype(np.float32)
    array[2, 3, 4], array[5, 6, 7], array[0, 0, 0] = np.nan, np.inf, -np.inf
    volume = checked(array)
    assert volume.array[2, 3, 4] == volume.array[5, 6, 7] == volume.array[0, 0, 0] == -1000
    assert volume.notes == ("3 voxels without a finite value were set to air (-1000 HU).",)
    assert np.isnan(array[2, 3, 4])  # the caller's array is left alone


def test_nothing_but_nan_is_refused():
    refused(np.full((3, 4, 5), np.nan, np.float32), "no numbers")


@pytest.mark.parametrize("value", [0, -1000, 37])
def test_a_constant_volume_is_refused(value):
    refused(np.full((3, 4, 5), value, np.int16), "same value")


def test_no_voxels_and_complex_values_are_refused():
    refused(np.zeros((0, 4, 5), np.int16), "no voxels")
    refused(np.zeros((3, 4, 5), np.complex64), "complex64")


@pytest.mark.parametrize("scale", [0.1, 0.3, 1, 2.6])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_mr_is_refused(scale, dtype):
    refused(mr(scale=scale).astype(dtype), "HU|Hounsfield|offset")


@pytest.mark.parametrize("window", [(-160, 240), (-1000, 800), (-100, 160)])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 254), (1, 255), (-128, 127)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_gray_values_are_refused_whatever_their_type(window, low, high, dtype):
    gray = low + (np.clip(body(), *window) - window[0]) / np.ptp(window) * (high - low)
    if dtype != np.float32:
        gray = np.rint(gray)
    if np.dtype(dtype).kind != "u" or low >= 0:
        with pytest.raises(InputError, match="picture|Hounsfield units"):
            checked(gray.astype(dtype))


def test_gray_values_are_told_by_a_single_pixel_and_beside_voxels_without_a_number():
    gray = ((np.clip(body((40, 64, 64)), -160, 240) + 160) / 400 * 200).astype(np.float32)
    assert checked(gray).array.max() <= 200, "a window of a CT may have any other ends"
    gray[7, 31, 33], gray[9, 31, 33] = 254.8, np.nan
    refused(gray, "gray values from 0 to 254.8")


def test_normalized_values_are_refused():
    hu = body()
    refused((hu - hu.min()) / np.ptp(hu), "normalized")
    refused((hu - hu.mean()) / hu.std(), "normalized")
    refused(np.rint((np.clip(hu, -160, 240) + 160) / 400 * 255).astype(np.uint8), "0 to 255")


def padded(hu: np.ndarray, value: float) -> np.ndarray:
    """With `value` outside the scanned circle."""
    j, i = np.ogrid[: hu.shape[1], : hu.shape[2]]
    return np.where(np.hypot(j / hu.shape[1] - 0.5, i / hu.shape[2] - 0.5) > 0.49, value, hu)


@pytest.mark.parametrize("padding", [None, -2000, -3024, -1024, 0])
@pytest.mark.parametrize("clipped", [True, False], ids=["clipped", "whole"])
@pytest.mark.parametrize("offset", [1000, 1024, 4096, 8192, 32768])
def test_an_offset_is_measured_and_told(offset, clipped, padding):
    hu = np.rint(body((12, 96, 96))) + offset
    hu = np.maximum(hu, 0) if clipped else hu
    array = hu if padding is None else padded(hu, padding)
    with pytest.raises(InputError, match=rf"offset of .*{offset}\b.*air to -1000") as caught:
        checked(array.astype(np.int32))
    if offset in (1000, 1024):  # air and fat of a patient do not tell these two apart
        assert "1000 or 1024" in str(caught.value) or "1024 or 1000" in str(caught.value)


def test_offsets_without_air_and_below_0_are_told():
    refused(np.rint(body()[5:, 24:36, 20:30] + 1024).astype(np.uint16), "offset of 1024")
    refused(np.rint(body((12, 96, 96)) - 1024).astype(np.int16), "offset of -1024.*add 1024")
    refused((np.clip(np.rint(body((12, 96, 96))), -40, 160) + 8192).astype(np.uint16), "offset of 8192")


@pytest.mark.parametrize("padding", [None, -2000])
def test_wrapped_values_are_told(padding):
    hu = np.rint(body((12, 96, 96)) if padding is None else padded(body((12, 96, 96)), padding)).astype(int)
    refused(hu & 0xFFFF, "wrapped.*65536")
    refused((hu + 32768).astype(np.uint16).view(np.int16), "wrapped.*65536")
    refused(np.clip(hu, -1024, 3071) & 0xFFF, "wrapped.*4096")


def test_inverted_swapped_and_multiplied_values_are_told():
    hu = np.rint(body((12, 96, 96)))
    refused(-hu, "inverted")
    refused(4095 - np.clip(hu + 1024, 0, 4095), "inverted")
    refused(hu.astype(np.int16).byteswap(), "bytes are in the wrong order")
    refused(np.clip(hu + 1024, 0, 4095).astype(np.uint16).byteswap(), "bytes are in the wrong order")
    for factor in (16, 10, 2, 0.1, 1 / 16):
        refused(np.rint(hu * factor), f"multiplied by about {factor:g}")
    refused((hu + 1024) * 16, "multiplied by about 16")


def test_padding_above_air_hides_no_offset():
    refused(padded(np.rint(body((12, 96, 96))) - 1024, 0).astype(np.int16), "offset of -1024.*add 1024")
    refused(padded(np.rint(body((12, 96, 96))) + 8192, 9000).astype(np.int16), "offset of 8192")


@pytest.mark.parametrize("span", [(-1000, 1000), (-1024, 3071), (-1100, 1500)])
@pytest.mark.parametrize("top", [1000, 500, 4095, -500])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_rescaled_values_are_told_whatever_the_factor(span, top, dtype):
    """`top` below 0 stands for a mere factor of one half."""
    hu = np.clip(body((12, 96, 96)), *span)
    values = hu / 2 if top < 0 else (hu - span[0]) / np.ptp(span) * top
    if top < 0 and span[0] > -1050:
        pytest.skip("air that is one value may be the end of a window")
    refused((np.rint(values) if dtype == np.int16 else values).astype(dtype), "rescaled|multiplied|offset of")


def test_values_that_were_rescaled_get_no_offset_as_remedy():
    hu = np.clip(body((12, 96, 96)), -2048, 3071)
    refused(
        np.rint((hu + 2048) / 5119 * 4095).astype(np.int16),
        r"rescaled \(air lies near 8\d\d, soft tissue or fat near 16\d\d",
    )


def test_a_ct_whose_negative_values_are_cut_is_no_mr():
    hu = np.rint(body((12, 96, 96)))
    hu[:, 40:50, 40:50] = np.random.default_rng(0).normal(700, 100, (12, 10, 10))
    for most in (None, 3000, 1500):
        checked(np.clip(hu, 0, most).astype(np.int16))


@pytest.mark.parametrize("place", [slice(0, 1), slice(6, 7), slice(-2, None)], ids=["first", "middle", "last two"])
def test_some_slices_with_an_offset_are_told(place):
    array = np.rint(body((12, 96, 96)))
    array[place] += 1024
    refused(array.astype(np.int16), rf"{len(range(12)[place])} of 12 slices .*number {range(12)[place][0]},")


@pytest.mark.parametrize("padding", [-2000, -3024, -1024, 0, 200, -32768])
@pytest.mark.parametrize("window", [(-1100, 3000), (-1000, 400), (-500, 1300), (-160, 240), (-40, 160), (-100, 240)])
def test_padding_does_not_make_a_ct_strange(window, padding):
    array = padded(np.clip(np.rint(body((12, 96, 96))), *window), padding).astype(np.int16)
    assert np.array_equal(checked(array).array, array)


def test_a_body_cut_out_of_its_surroundings_passes():
    hu = np.rint(body((12, 96, 96))).astype(np.int16)
    for outside in (0, -1000, -1024):
        checked(np.where(hu > -200, hu, outside).astype(np.int16))


def test_earlier_notes_are_kept():
    volume = check_ct(CTVolume(np.rint(body()).astype(np.int16), GRID, "a", ("read somehow",)))
    assert volume.notes == ("read somehow",)
