"""Every format, stored and streamed, decodes to the audio that was put in; speed and evenness."""

import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from src.services.audio import AudioFormat, AudioSource, Encoder, Tempo, fade, level
from tests.support.audio import decode as played
from tests.support.audio import lag, sound_of, sweep, tone

RATES = [22_050, 24_000]


def encode(audio: np.ndarray, rate: int, wanted: AudioFormat, streaming: bool) -> tuple[bytes, int]:
    """The file, and how many of its bytes came before the end."""
    piece = 5_000
    encoder = Encoder(wanted, rate, streaming)
    content = b"".join(encoder.encode(audio[start : start + piece]) for start in range(0, len(audio), piece))
    early = len(content)
    return content + encoder.finish(), early


def decode(content: bytes) -> np.ndarray:
    with AudioSource(io.BytesIO(content), 60) as source:
        return sound_of(source)


FILES = [wanted for wanted in AudioFormat if wanted not in (AudioFormat.PCM, AudioFormat.AAC)]
"""That tell a player all it must know. Bare PCM and AAC in ADTS have tests of their own."""
FRAME = {
    AudioFormat.WAV: 1,
    AudioFormat.FLAC: 1,
    AudioFormat.OPUS: 1,
    AudioFormat.MP3: 576,
}
"""Samples that a file may be too long by. Opus is not padded either: its last page says where to stop."""


@pytest.mark.parametrize("streaming", [False, True], ids=["stored", "streamed"])
@pytest.mark.parametrize("wanted", FILES)
@pytest.mark.parametrize("rate", RATES)
def test_a_file_holds_what_was_put_in_and_no_more(rate: int, wanted: AudioFormat, streaming: bool) -> None:
    for samples in (1_000, rate, 576 * 40, 576 * 40 + 1, 576 * 40 + 300, 576 * 40 + 575, round(3.371 * rate)):
        audio = sweep(samples / rate, rate)
        content, early = encode(audio, rate, wanted, streaming)
        decoded, decoded_rate = played(content)
        assert decoded_rate == (48_000 if wanted is AudioFormat.OPUS else rate)
        extra = len(decoded) - samples * decoded_rate / rate
        assert -1 <= extra <= FRAME[wanted]
        # the first sample is the first sample, not the encoder's delay
        assert abs(lag(sweep(samples / rate, decoded_rate), decoded, 3_000)) <= 4
        assert len(decode(content)) == pytest.approx(samples * 16_000 / rate, abs=2 + FRAME[wanted])
    assert (early > 0) == (streaming or not wanted.tells_length)


@pytest.mark.parametrize("streaming", [False, True], ids=["stored", "streamed"])
@pytest.mark.parametrize("rate", [8_000, 20_000, 22_050, 24_000, 96_000])
def test_aac_holds_everything_1024_samples_late(rate: int, streaming: bool) -> None:
    content, early = encode(sweep(3.371, rate), rate, AudioFormat.AAC, streaming)
    decoded, decoded_rate = played(content)
    assert early > 0
    assert decoded_rate == {20_000: 22_050, 96_000: 48_000}.get(rate, rate)
    assert 0 <= len(decoded) - 3.371 * decoded_rate <= 3 * 1024
    assert abs(lag(sweep(3.371, decoded_rate), decoded[1024:], 3_000)) <= 4
    assert len(decode(content)) == pytest.approx(len(decoded) * 16_000 / decoded_rate, abs=32)


@pytest.mark.parametrize("streaming", [False, True], ids=["stored", "streamed"])
@pytest.mark.parametrize("rate", [22_050, 24_000, 48_000])
def test_bare_samples_are_24_khz_whatever_the_voice_has(rate: int, streaming: bool) -> None:
    audio = sweep(2.0, rate)
    content, early = encode(audio, rate, AudioFormat.PCM, streaming)
    decoded = np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
    assert early > 0
    assert len(decoded) == pytest.approx(48_000, abs=32)
    assert abs(lag(sweep(2.0, 24_000), decoded, 3_000)) <= 4
    if rate == 24_000:
        np.testing.assert_allclose(decoded, audio, atol=1e-4)


@pytest.mark.parametrize("wanted", FILES)
def test_stored_and_streamed_sound_alike(wanted: AudioFormat) -> None:
    audio = sweep(2.0, 24_000)
    stored, streamed = (played(encode(audio, 24_000, wanted, streaming)[0])[0] for streaming in (False, True))
    assert np.abs(stored - streamed[: len(stored)]).max() < 1e-3
    assert not np.abs(streamed[len(stored) + 200 :]).max(initial=0) > 0.01  # nothing but silence after it


@pytest.mark.parametrize("wanted", FILES)
def test_a_stream_can_be_heard_before_it_ends(wanted: AudioFormat) -> None:
    encoder = Encoder(wanted, 24_000, streaming=True)
    begun = b"".join(encoder.encode(tone(1.0, 24_000)) for _ in range(3))
    decoded, rate = played(begun)
    assert len(decoded) / rate > 2.0


def test_a_stored_file_can_be_read_in_chunks() -> None:
    audio = sweep(40.0, 24_000)
    for wanted in (AudioFormat.WAV, AudioFormat.FLAC):
        encoder = Encoder(wanted, 24_000, streaming=False)
        assert encoder.encode(audio) == b""
        chunks = list(encoder.finish_in_chunks())
        assert max(map(len, chunks)) <= 256 * 1024
        assert b"".join(chunks) == encode(audio, 24_000, wanted, streaming=False)[0]


@pytest.mark.parametrize("wanted", FILES)
@pytest.mark.parametrize("streaming", [False, True])
def test_an_encoder_that_is_dropped_leaves_no_file_open(wanted: AudioFormat, streaming: bool) -> None:
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, 24_000 * (4 if streaming else 25)).astype(np.float32)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        encoder = Encoder(wanted, 24_000, streaming)
        encoder.encode(noise)  # more than the spool keeps in memory
        del encoder
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_bytes_do_not_depend_on_the_process() -> None:
    script = (
        "import hashlib, numpy as np\n"
        "from src.services.audio import AudioFormat, Encoder\n"
        "from tests.support.audio import sweep\n"
        "for wanted in AudioFormat:\n"
        "    for streaming in (False, True):\n"
        "        encoder = Encoder(wanted, 24000, streaming)\n"
        "        content = encoder.encode(sweep(1.0, 24000)) + encoder.finish()\n"
        "        print(hashlib.sha256(content).hexdigest())\n"
    )
    runs = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1
    assert len(runs.pop().split()) == 2 * len(AudioFormat)


@pytest.mark.parametrize("rate", [8_000, 16_000, 20_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("wanted", FILES)
def test_any_sample_rate_can_be_had(rate: int, wanted: AudioFormat) -> None:
    for streaming in (False, True):
        content, _ = encode(tone(1.0, rate), rate, wanted, streaming)
        assert len(decode(content)) == pytest.approx(16_000, abs=600)


def test_loud_samples_are_cut_at_full_scale_and_do_not_wrap() -> None:
    for wanted in FILES:
        decoded = played(encode(tone(1.0, 24_000, level=3.0), 24_000, wanted, streaming=False)[0])[0]
        clipped = np.clip(tone(1.0, 24_000, level=3.0), -1, 1)
        assert (
            np.corrcoef(decoded[: 24_000 * len(decoded) // 24_000 : len(decoded) // 24_000], clipped)[0, 1]
            > 0.98
        )


@pytest.mark.parametrize("wanted", FILES)
def test_the_last_moment_is_whole(wanted: AudioFormat) -> None:
    rate = 24_000
    audio = np.concatenate([np.zeros(rate, np.float32), tone(0.05, rate, 1000)])
    for streaming in (False, True):
        decoded = decode(encode(audio, rate, wanted, streaming)[0])
        end = decoded[16_000 : 16_000 + 800]
        assert np.sqrt(np.mean(end**2)) > 0.15


@pytest.mark.parametrize("wanted", FILES)
def test_the_same_samples_make_the_same_bytes(wanted: AudioFormat) -> None:
    audio = tone(1.0, 24_000)
    assert encode(audio, 24_000, wanted, False) == encode(audio, 24_000, wanted, False)


def test_a_stored_wav_is_exact_16_bit_pcm() -> None:
    audio = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 1.7, -1.7], np.float32)
    content, _ = encode(audio, 22_050, AudioFormat.WAV, streaming=False)
    with wave.open(io.BytesIO(content)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()) == (
            1,
            2,
            22_050,
            7,
        )
        samples = np.frombuffer(wav.readframes(7), "<i2")
    assert samples.tolist() == [0, 16384, -16384, 32767, -32767, 32767, -32767]


def test_a_streamed_wav_begins_with_a_header_of_unknown_length() -> None:
    encoder = Encoder(AudioFormat.WAV, 24_000, streaming=True)
    first = encoder.encode(tone(0.1, 24_000))
    assert first[:4] == b"RIFF"
    assert first[4:8] == first[40:44] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize("wanted", FILES)
@pytest.mark.parametrize("streaming", [False, True])
def test_nothing_said_is_still_a_file(wanted: AudioFormat, streaming: bool) -> None:
    encoder = Encoder(wanted, 24_000, streaming)
    assert encoder.encode(np.zeros(0, np.float32)) == b""
    encoder.finish()


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0])
def test_speed_changes_the_time_and_not_the_pitch(speed: float) -> None:
    rate = 24_000
    audio = tone(4.0, rate)
    tempo = Tempo(rate, speed)
    parts = [tempo.push(audio[start : start + 7_000]) for start in range(0, len(audio), 7_000)]
    out = np.concatenate([*parts, tempo.finish()])
    assert len(out) / rate == pytest.approx(4.0 / speed, rel=0.01)
    assert int(np.abs(np.fft.rfft(out[:rate])).argmax()) == pytest.approx(440, abs=4)
    if speed == 1.0:
        assert np.array_equal(out, audio)


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 0.7, 0.95, 1.05, 1.5, 2.0, 3.0, 4.0])
def test_speed_keeps_the_end_of_the_shortest_word(speed: float) -> None:
    rate = 24_000
    for seconds in (0.05, 0.3, 1.0):
        audio = tone(seconds, rate, 1000)
        tempo = Tempo(rate, speed)
        out = np.concatenate([tempo.push(audio[:500]), tempo.push(audio[500:]), tempo.finish()])
        assert len(out) == round(len(audio) / speed)
        end = out[-round(0.02 / min(1, 2 * speed) * rate) :]  # slow speech fades slowly
        assert np.sqrt(np.mean(end**2)) > 0.15


def rms_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(audio**2)))


def test_quiet_and_loud_speech_come_out_even() -> None:
    rate = 24_000
    pause = np.zeros(rate, np.float32)
    quiet, loud = tone(1, rate, level=0.06), np.concatenate([tone(1, rate, level=0.5), pause])
    assert rms_db(level(quiet, rate)) == pytest.approx(-20, abs=0.5)
    assert rms_db(level(loud, rate)[:rate]) == pytest.approx(-20, abs=0.5)  # the pause does not count


def test_level_never_clips_and_never_invents() -> None:
    rate = 24_000
    spiky = tone(1, rate, level=0.02)
    spiky[100] = 0.9
    assert np.abs(level(spiky, rate)).max() <= 0.981
    assert not level(np.zeros(rate, np.float32), rate).any()
    assert rms_db(level(tone(1, rate, level=0.0001), rate)) < -60  # noise stays noise


def test_fade_takes_the_click_from_a_join() -> None:
    audio = fade(np.ones(2_400, np.float32), 24_000)
    assert (audio[0], audio[-1]) == (0.0, 0.0)
    assert np.abs(np.diff(audio)).max() < 0.02
    assert audio[1_200] == 1.0
    assert len(fade(np.ones(1, np.float32), 24_000)) == 1
