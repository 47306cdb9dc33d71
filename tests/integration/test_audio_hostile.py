"""Files that are made to do harm: to reach for others, to eat memory, to run for ever."""

import io
import logging
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from src.errors import NotAudio, TooLarge
from src.services.audio import AudioSource, decode
from src.services.audio.limited_reader import LimitedReader
from tests.support.audio import box, encoded, sound_of, sweep, tone, tone_wav, wav_around
from tests.support.canary import Canary, canary
from tests.support.traps import SCRIPTS, concat, mov_reference, names


def run(content: bytes, max_seconds: float = 60) -> int:
    """Samples that come out."""
    with AudioSource(io.BytesIO(content), max_seconds) as source:
        return sum(map(len, source.blocks()))


@pytest.fixture
def bait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    """A sound that would decode, in the working directory."""
    monkeypatch.chdir(tmp_path)
    with canary(tmp_path / "bait.ts", encoded(sweep(1.0, 16_000), 16_000, "mpegts", "aac")) as opened:
        assert run(opened.path.read_bytes()) > 16_000
        assert opened.touched > 0
        yield opened


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_script_is_not_audio_and_touches_nothing(script: Callable[[str], bytes], bait: Canary) -> None:
    for name in names(bait):
        with pytest.raises(NotAudio):
            run(script(name))
        # the same under an upload's name, which says what it is
        with pytest.raises(NotAudio):
            upload = io.BytesIO(script(name))
            upload.name = "list.ffconcat"
            AudioSource(upload, 60)
    assert bait.touched == 0


def test_data_in_another_file_is_not_fetched(bait: Canary) -> None:
    for name in names(bait):
        # the reference is passed over: the bytes of the upload itself are what is decoded, or nothing is
        try:
            run(mov_reference(name))
        except NotAudio:
            continue
    assert bait.touched == 0


def test_the_bait_is_taken_where_nothing_keeps_ffmpeg_from_it(bait: Canary) -> None:
    with av.open(io.BytesIO(concat(bait.path.name)), mode="r") as followed:
        assert sum(frame.samples for frame in followed.decode(audio=0)) > 0
    assert bait.touched > 0


@pytest.mark.parametrize("layer", ["protocol_whitelist", "format_whitelist"])
def test_each_layer_alone_keeps_ffmpeg_from_the_bait(layer: str, bait: Canary) -> None:
    for name in names(bait):
        with pytest.raises((av.error.FFmpegError, ValueError)):
            options = {layer: decode._OPTIONS[layer], "safe": "0"}
            av.open(io.BytesIO(concat(name)), mode="r", container_options=options)
    assert bait.touched == 0


def test_an_index_a_million_boxes_deep_is_no_recursion() -> None:
    deep = b"".join(struct.pack(">I4s", 8 * (50_000 - level), b"trak") for level in range(50_000))
    with pytest.raises(NotAudio):
        run(box(b"ftyp", b"isom", bytes(4)) + box(b"moov", deep))


@pytest.mark.parametrize("channels", [9, 63, 64, 65, 255])
def test_channels_beyond_reason_are_refused_or_mixed(channels: int) -> None:
    with pytest.raises(NotAudio, match="channels"):
        run(wav_around(bytes(channels * 2 * 1600), 16_000, channels))


def test_floats_that_are_no_numbers_come_out_as_sound() -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.5] * 2000, "<f4")
    with AudioSource(io.BytesIO(wav_around(samples.tobytes(), 16_000, tag=3, bits=32)), 60) as source:
        audio = sound_of(source)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() <= 1.0


def test_two_loud_channels_do_not_come_out_above_full_scale() -> None:
    loud = tone(1.0, 16_000, level=0.99)
    with AudioSource(io.BytesIO(encoded(loud, 16_000, "wav", "pcm_f32le", "stereo")), 60) as source:
        audio = sound_of(source)
    assert np.abs(audio - loud).max() < 0.01


def test_packets_without_sound_end() -> None:
    stream = encoded(tone(0.5, 16_000), 16_000, "adts", "aac")
    header = bytearray(stream[:7])
    # frames that are nothing but their header of 7 bytes
    header[3] &= 0xFC
    header[4], header[5] = 0, 7 << 5 | header[5] & 0x1F
    with pytest.raises(NotAudio, match="packets"):
        run(stream + bytes(header) * 150_000 + stream)


def test_memory_is_flat_however_long_the_file() -> None:
    def peak(seconds: float) -> int:
        content = encoded(np.zeros(round(seconds * 8_000), np.float32), 8_000, "flac", "flac")
        tracemalloc.start()
        try:
            assert run(content, 7200) == seconds * 16_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(600) < peak(60) + 200_000


def test_nothing_is_written_anywhere(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    broken = bytearray(encoded(sweep(2.0, 24_000), 24_000, "mp3", "libmp3lame"))
    for at in range(2000, len(broken), 97):
        broken[at] ^= 0xFF
    with caplog.at_level(logging.DEBUG):
        for content in (bytes(broken), bytes(broken[:3000]), tone_wav(0.5)[:900], b"RIFF" + bytes(900)):
            try:
                run(content)
            except NotAudio:
                continue
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_many_threads_at_once() -> None:
    good, bad = encoded(sweep(2.0, 16_000), 16_000, "flac", "flac"), concat("x.wav")
    outcomes: list[int | str] = []

    def work() -> None:
        for _ in range(10):
            outcomes.append(run(good))
            try:
                run(bad)
            except NotAudio:
                outcomes.append("refused")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(32_000) == outcomes.count("refused") == 80


def test_closing_half_way_ends_it() -> None:
    source = AudioSource(io.BytesIO(tone_wav(20.0)), 60)
    blocks = source.blocks()
    next(blocks)
    source.close()
    assert sum(map(len, blocks)) < 19 * 16_000
    source.close()


def test_an_upload_that_cannot_be_read_is_not_the_callers_fault() -> None:
    class Broken(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            if self.tell() > 100_000 and count != 8:  # the framing can be read, the sound cannot
                raise OSError(5, "disk on fire")
            return super().read(count)

    with AudioSource(Broken(tone_wav(10.0)), 60) as source, pytest.raises(OSError, match="on fire"):
        sum(map(len, source.blocks()))


def test_a_reader_that_is_sent_in_circles_stops() -> None:
    reader = LimitedReader(io.BytesIO(bytes(1000)), 1000)
    turns = 0
    while reader.read(1000):
        turns += 1
        reader.seek(0)
    assert turns < 100_000
    with pytest.raises(NotAudio, match="circles"):
        reader.check()


def test_hours_of_silence_in_kilobytes_are_sound_up_to_the_limit() -> None:
    silence = encoded(np.zeros(1800 * 8000, np.float32), 8_000, "flac", "flac")
    assert len(silence) < 400_000
    with pytest.raises(TooLarge, match="600 seconds"):
        run(silence, 600)
