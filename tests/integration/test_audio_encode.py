"""Every format, stored and streamed, decodes to the audio that was put in; speed and evenness."""

import io
import wave

import numpy as np
import pytest

from src.services.audio import AudioFormat, AudioSource, Encoder, Tempo, fade, level
from tests.support.audio import tone

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
        return np.concatenate(list(source.blocks()))


@pytest.mark.parametrize("streaming", [False, True], ids=["stored", "streamed"])
@pytest.mark.parametrize("wanted", AudioFormat)
@pytest.mark.parametrize("rate", RATES)
def test_the_duration_is_that_of_the_audio(rate: int, wanted: AudioFormat, streaming: bool) -> None:
    seconds = 3.371
    content, early = encode(tone(seconds, rate), rate, wanted, streaming)
    audio = decode(content)
    # a streamed MP3 cannot say where its last frame is padded; all others are exact to a sample or two
    slack = 2 * 1152 / rate + 0.002 if wanted is AudioFormat.MP3 and streaming else 0.003
    assert len(audio) / 16_000 == pytest.approx(seconds, abs=slack)
    assert int(np.abs(np.fft.rfft(audio[:16_000])).argmax()) == pytest.approx(440, abs=1)
    assert (early > 0) == (streaming or wanted is AudioFormat.OPUS)


@pytest.mark.parametrize("wanted", AudioFormat)
def test_the_last_moment_is_whole(wanted: AudioFormat) -> None:
    rate = 24_000
    audio = np.concatenate([np.zeros(rate, np.float32), tone(0.05, rate, 1000)])
    for streaming in (False, True):
        heard = decode(encode(audio, rate, wanted, streaming)[0])
        end = heard[16_000 : 16_000 + 800]
        assert np.sqrt(np.mean(end**2)) > 0.15


@pytest.mark.parametrize("wanted", AudioFormat)
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


@pytest.mark.parametrize("wanted", AudioFormat)
@pytest.mark.parametrize("streaming", [False, True])
def test_nothing_said_is_still_a_file(wanted: AudioFormat, streaming: bool) -> None:
    encoder = Encoder(wanted, 24_000, streaming)
    assert encoder.encode(np.zeros(0, np.float32)) == b""
    encoder.finish()


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.3, 2.0])
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
