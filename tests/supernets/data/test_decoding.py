from __future__ import annotations

import io
import zlib
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.supernets.data.pictures import encoded, picture
from vitnas.supernets.data import decoding
from vitnas.supernets.data.decoding import TooLargeError, UnreadableError, decode, look


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("gray", [True, False])
def test_what_is_not_lossy_comes_back_to_the_bit(kind: str, gray: bool) -> None:
    x = picture(3, gray=gray)
    data = encoded(x, kind, **({"lossless": True} if kind == "webp" else {}))
    found = decode(data, 16, 1 if gray else 3)
    assert np.array_equal(found, x[None] if gray else x.transpose(2, 0, 1))
    assert look(data) == ((16, 16), gray and kind != "webp")


def test_jpeg_is_near() -> None:
    x = picture(5, (64, 64))
    found = decode(encoded(x, "jpeg", quality=95), 64, 3)
    assert np.abs(found.transpose(1, 2, 0).astype(int) - x).mean() < 3


def test_the_middle_is_kept() -> None:
    x = np.zeros((16, 48, 3), np.uint8)
    x[:, 16:32] = (10, 100, 200)
    for upright in (x, x.transpose(1, 0, 2)):
        assert (decode(encoded(upright), 16, 3) == np.array([10, 100, 200])[:, None, None]).all()
        assert (decode(encoded(upright), 8, 3)[:, 2:-2, 2:-2] == np.array([10, 100, 200])[:, None, None]).all()


def test_shrinking_averages_what_falls_together() -> None:
    # Lines one pixel wide are gray from afar, and not a pattern of black and white.
    lines = np.zeros((64, 64), np.uint8)
    lines[:, ::2] = 255
    assert np.abs(decode(encoded(lines), 8, 1).astype(int) - 127).max() < 12


@pytest.mark.parametrize("size", [56, 100, 224])
def test_a_jpeg_decoded_small_looks_like_one_decoded_whole(size: int) -> None:
    x = picture(1, (500, 400))
    found = decode(encoded(x, "jpeg", quality=95), size, 3).astype(int)
    whole = decode(encoded(x, "png"), size, 3).astype(int)
    assert np.abs(found - whole).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int) -> None:
    x = np.zeros((32, 32, 3), np.uint8)
    x[:12, :12] = 255  # the corner says how the camera was held
    x[:12, 12:] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(x, "jpeg", exif=exif, quality=95, subsampling=0)
    # What the standard says of the first row and column of a stored image.
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: np.rot90(a),
    }
    found = decode(data, 32, 3).transpose(1, 2, 0).astype(int)
    assert np.abs(found - turns[orientation](x)).mean() < 12


def test_palettes_alpha_and_sixteen_bits_are_understood() -> None:
    x = picture(2)
    for mode in ("RGBA", "P", "CMYK"):
        file = io.BytesIO()
        Image.fromarray(x).convert(mode).save(file, "png" if mode != "CMYK" else "tiff")
        assert np.abs(decode(file.getvalue(), 16, 3).transpose(1, 2, 0).astype(int) - x).mean() < 20
    deep = (picture(2, gray=True).astype(np.uint16) << 8) + 17
    assert np.array_equal(decode(encoded(deep), 16, 1)[0], picture(2, gray=True))


def test_colour_and_gray_become_each_other() -> None:
    gray = picture(4, gray=True)
    assert (decode(encoded(gray), 16, 3) == gray).all()
    x = picture(4)
    luma = x @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode(encoded(x), 16, 1)[0] - luma).max() <= 1


@given(st.integers(0, 3), st.floats(0, 0.9), st.sampled_from(["png", "jpeg", "webp", "gif"]))
def test_half_a_file_is_refused_and_nothing_else_happens(number: int, share: float, kind: str) -> None:
    data = encoded(picture(number, (40, 40)), kind)
    with pytest.raises(UnreadableError):
        decode(data[: int(share * len(data))], 16, 3)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"]))
def test_noise_is_refused(noise: bytes, beginning: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode(beginning + noise, 16, 3)


def test_a_picture_of_more_pixels_than_memory_is_unreadable() -> None:
    for read in (look, lambda x: decode(x, 16, 3)):
        with pytest.raises(UnreadableError, match="3600000000 pixels"):
            read(claiming(60_000))
    with pytest.raises(TooLargeError, match=r"3600000000 pixels.* exceeds limit.*; make it smaller$"):
        decode(claiming(60_000), 16, 3)


def test_what_would_lie_in_memory_is_limited_and_not_what_a_header_says() -> None:
    assert look(claiming(9000))[0] == (9000, 9000)
    with pytest.raises(TooLargeError, match=r"^81,000,000 pixels, more than the 67,108,864 that .*; make it smaller$"):
        decode(claiming(9000), 16, 3)
    large = Image.new("L", (8200, 8200), 77)  # more pixels than the limit, of which an eighth a side is decoded
    for progressive in (False, True):
        file = io.BytesIO()
        large.save(file, "jpeg", progressive=progressive)
        if progressive:
            with pytest.raises(TooLargeError, match="67,240,000 pixels"):
                decode(file.getvalue(), 16, 1)
        else:
            assert (decode(file.getvalue(), 16, 1) == 77).all()


def test_large_pictures_wait_for_one_another_and_small_ones_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MANY_PIXELS", 16 * 16)
    small, large = encoded(picture(0)), encoded(picture(0, (17, 17)))
    with ThreadPoolExecutor(1) as pool:
        with decoding._many_pixels:
            assert pool.submit(decode, small, 16, 3).result(60).shape == (3, 16, 16)
            waiting = pool.submit(decode, large, 16, 3)
            assert not wait([waiting], timeout=0.2).done
        assert waiting.result(60).shape == (3, 16, 16)


def claiming(side: int) -> bytes:
    """A PNG file that says it is so large."""
    data = bytearray(encoded(picture(0)))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)
