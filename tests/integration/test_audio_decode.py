"""Real files of every kind, whole and damaged, through the real FFmpeg."""

import io
import random
import struct
from collections.abc import Iterator

import av
import numpy as np
import pytest

from src.errors import NotAudio, TooLarge
from src.services.audio import AudioSource
from tests.support.audio import KINDS, encoded, sound_of, sweep, tone, tone_wav, wav_of
from tests.support.damaged import WAYS

SECONDS = 2.3


def decode(content: bytes, max_seconds: float = 60, *, whole_only: bool = True) -> np.ndarray:
    with AudioSource(io.BytesIO(content), max_seconds, whole_only=whole_only) as source:
        return sound_of(source)


BARE = {"adts", "avi", "amr", "3gp", "flv", "mpegts", "mp2"}


def make(name: str, seconds: float = SECONDS) -> bytes:
    rate, container, codec, layout, video = KINDS[name]
    return encoded(tone(seconds, rate), rate, container, codec, layout, video)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_decodes_to_what_was_put_in(name: str) -> None:
    audio = decode(make(name))
    assert audio.dtype == np.float32
    rate, container, *_ = KINDS[name]
    # bare AAC and AMR cannot say what their encoder has put in front; all others are exact to a frame
    slack = 3 * 1024 / rate if container in BARE else 1024 / rate
    assert len(audio) / 16_000 == pytest.approx(SECONDS, abs=slack)
    spectrum = np.abs(np.fft.rfft(audio[:16_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)
    level = 0.4 / np.sqrt(2)
    assert np.sqrt(np.mean(audio[4000:-4000] ** 2)) == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize(
    "name", ["wav 16 bit", "wav 32 bit", "wav float", "flac", "quicktime", "aiff", "ogg flac"]
)
def test_what_is_lossless_decodes_to_the_very_samples(name: str) -> None:
    rate, container, codec, layout, video = KINDS[name]
    audio = decode(encoded(sweep(SECONDS, rate), rate, container, codec, layout, video))
    wanted = sweep(SECONDS, 16_000)
    assert abs(len(audio) - len(wanted)) <= 1
    size = min(len(audio), len(wanted)) - 200  # the resampler leans on what is not there at the end
    assert np.abs(audio[200:size] - wanted[200:size]).max() < 2e-3


def test_blocks_are_about_a_second_and_miss_nothing() -> None:
    with AudioSource(io.BytesIO(tone_wav(5.5)), 60) as source:
        assert source.duration_hint == pytest.approx(5.5)
        blocks = list(source.blocks())
    assert all(len(block) <= 32_000 for block in blocks)
    assert sum(map(len, blocks)) == 88_000
    assert np.abs(np.concatenate(blocks) / 32768 - tone(5.5)).max() < 1e-4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just some text, nothing to hear" * 20, "format"),
        (bytes(5000), "format"),
        (wav_of(np.zeros(0, np.float32)), "no audio"),
    ],
    ids=["empty", "text", "zeros", "no samples"],
)
def test_what_is_not_audio_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(NotAudio, match=reason):
        decode(content)


def test_a_film_without_sound_has_no_audio_track() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        picture = output.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            output.mux(
                picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24"))
            )
        output.mux(picture.encode(None))
    with pytest.raises(NotAudio, match="no audio track"):
        decode(buffer.getvalue())


# these two are made to be cut anywhere
@pytest.mark.parametrize("name", sorted(set(KINDS) - {"transport stream", "flash"}))
def test_a_file_that_is_cut_off_is_refused(name: str) -> None:
    whole = make(name, seconds=3.0)
    for share in (0.11, 0.33, 0.5, 0.77, 0.97):
        try:
            # odd, so that no cut is at the end of a frame by chance
            decoded = decode(whole[: int(len(whole) * share) | 1])
        except NotAudio:
            continue
        # a few bytes of an AVI's index, which comes last, may be what is missing
        assert (name, share, len(decoded)) == ("avi", 0.97, len(decode(whole)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wav 16 bit", "cut off: it should hold"),
        ("m4a", "cut off"),
        ("opus", "within a page"),
        ("browser", "element"),
        ("mp3", "cut off: it should hold 3.0 s of audio"),
        ("flac", "cut off: it should hold 3.0 s"),
        ("aac", "last frame"),
        ("phone recorder", "last frame"),
    ],
)
def test_a_cut_is_called_a_cut(name: str, reason: str) -> None:
    whole = make(name, seconds=3.0)
    with pytest.raises(NotAudio, match=reason):
        decode(whole[: len(whole) // 2 | 1])


def test_an_mp4_without_its_index_says_so() -> None:
    film = make("m4a")
    with pytest.raises(NotAudio, match="moov"):
        decode(film[: film.index(b"moov") - 4])


@pytest.mark.parametrize("name", ["wav 16 bit", "mp3", "aac", "flac", "mp2"])
def test_tags_after_the_end_are_not_a_cut(name: str) -> None:
    whole = make(name)
    ape = b"APETAGEX" + bytes(24) + b"something in it".ljust(300)
    tag = b"TAG".ljust(128, b" ")
    expected = len(decode(whole))
    tags = [tag] if name == "wav 16 bit" else [tag, ape + tag]
    for more in tags:
        assert len(decode(whole + more)) == pytest.approx(expected, abs=1200)


def test_a_recording_that_a_browser_streams_has_no_length_and_is_whole() -> None:
    live = encoded(tone(2.0, 48_000), 48_000, "webm", "libopus", options={"live": "1"})
    assert len(decode(live)) == pytest.approx(32_000, abs=400)
    with pytest.raises(NotAudio, match="cut off"):
        decode(live[:-50])


@pytest.mark.parametrize("name", ["mp3", "aac", "opus", "m4a", "browser", "flac"])
def test_a_few_damaged_packets_are_passed_over(name: str) -> None:
    whole = bytearray(make(name, seconds=5.0))
    with av.open(io.BytesIO(whole), mode="r") as source:
        packets = [bytes(packet) for packet in source.demux(audio=0) if packet.size > 50]
    for packet in packets[len(packets) // 2 : len(packets) // 2 + 3]:
        at = whole.index(packet) + 25
        whole[at : at + 20] = bytes(byte ^ 0x5A for byte in whole[at : at + 20])
    assert len(decode(bytes(whole))) >= 4 * 16_000  # of Ogg, the whole page of a second is lost


def test_an_audio_track_that_is_all_damage_is_refused() -> None:
    whole = bytearray(make("m4a", seconds=3.0))
    start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    noise = random.Random(3)
    whole[start:end] = noise.randbytes(end - start)
    with pytest.raises(NotAudio, match=r"damaged|no audio"):
        decode(bytes(whole))


def test_a_change_of_rate_and_channels_midway_is_followed() -> None:
    first = encoded(tone(1.0, 48_000), 48_000, "mp3", "libmp3lame", options={"write_xing": "0"})
    second = encoded(tone(1.0, 32_000), 32_000, "mp3", "libmp3lame", "stereo", options={"write_xing": "0"})
    audio = decode(first + second)
    assert len(audio) / 16_000 == pytest.approx(2.0, abs=0.2)
    for part in (audio[2000:14_000], audio[18_000:30_000]):
        assert np.abs(np.fft.rfft(part)).argmax() * 16_000 / len(part) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF], ids=["zero", "unknown"])
def test_a_streamed_wav_without_its_length_is_whole(size: int) -> None:
    content = bytearray(tone_wav(1.5))
    content[40:44] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", size)
    assert len(decode(bytes(content))) == 24_000


def test_more_than_the_limit_is_refused_while_decoding() -> None:
    seen = 0
    with AudioSource(io.BytesIO(tone_wav(30)), 3) as source, pytest.raises(TooLarge, match="3 seconds"):
        for block in source.blocks():
            seen += len(block)
    assert seen <= 3 * 16_000


@pytest.mark.parametrize(("rate", "channels"), [(1, 1), (4_000_000_000, 1), (16_000, 0), (16_000, 65_535)])
def test_absurd_headers_are_no_recording(rate: int, channels: int) -> None:
    content = bytearray(tone_wav(1.0))
    content[22:24] = struct.pack("<H", channels)
    content[24:28] = struct.pack("<I", rate)
    with pytest.raises(NotAudio):
        decode(bytes(content))


def damaged(count: int) -> Iterator[tuple[str, bytes]]:
    """Whole files, each damaged in each way in turn; the same ones at every run."""
    chance = random.Random(7)
    wholes = [(name, make(name, seconds=0.4)) for name in KINDS]
    for number in range(count):
        name, whole = wholes[number % len(wholes)]
        way = WAYS[number // len(wholes) % len(WAYS)]
        _, other = wholes[chance.randrange(len(wholes))]
        yield f"{number} {name} {way.__name__}", way(chance, whole, other)


def test_six_hundred_damaged_files_do_no_harm() -> None:
    outcomes = {"audio": 0, "refused": 0}
    for name, content in damaged(600):
        try:
            audio = decode(content, max_seconds=20, whole_only=False)
        except (NotAudio, TooLarge):
            outcomes["refused"] += 1
        else:
            assert np.isfinite(audio).all(), name
            assert np.abs(audio).max() <= 1.0, name
            outcomes["audio"] += 1
    assert outcomes["audio"] > 50
    assert outcomes["refused"] > 50
