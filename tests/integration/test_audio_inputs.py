"""What people really send: opposite phases, silent tracks, pauses left out, recordings that broke off."""

import io

import av
import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.errors import InvalidInput, NotAudio, TooLarge
from src.services.audio import AudioSource
from tests.support.audio import encoded, film, sound_of, stereo, tone, tone_wav, wav_of
from tests.support.speech import clip, silence

SPEECH = clip("en-agent")


def read(content: bytes, **options: object) -> tuple[Audio, AudioSource]:
    with AudioSource(io.BytesIO(content), 600, **options) as source:  # type: ignore[arg-type]
        return sound_of(source), source


def loudness(audio: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(audio))))


def onset(audio: Audio) -> float:
    """Seconds before the first sound."""
    return float(np.flatnonzero(np.abs(audio) > 0.02)[0] / STT_SAMPLE_RATE)


@pytest.mark.parametrize("inverted", [-1.0, -0.9, -0.8])
@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), ("mp4", "aac"), ("ogg", "libopus")])
def test_channels_in_opposite_phase_do_not_cancel_each_other_out(
    inverted: float, container: str, codec: str
) -> None:
    rate = 16_000 if codec == "pcm_s16le" else 48_000
    speech = np.repeat(SPEECH, rate // 16_000)
    audio, _ = read(stereo(speech, inverted * speech, rate, container, codec))
    assert loudness(audio) == pytest.approx(loudness(SPEECH), rel=0.25)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_nothing_of_a_recording_in_opposite_phase_is_lost(rate: int) -> None:
    """However the decoder's frames lie in the blocks: what is left of a block is no part of its mix."""
    level = np.resize([0.5, 0.5, *[0.05] * 11], 70).repeat(-(-rate // 10))
    loud = tone(7, level=1.0, rate=rate) * level[: 7 * rate].astype(np.float32)
    audio, _ = read(stereo(loud, -loud, rate, "wav", "pcm_s16le"))
    alone, _ = read(wav_of(loud, rate))
    assert len(audio) == len(alone)
    for at in range(0, len(audio) - 1600, 1600):
        assert loudness(audio[at : at + 1600]) == pytest.approx(loudness(alone[at : at + 1600]), rel=0.05)


def test_opposite_phase_is_seen_where_it_begins_and_ends() -> None:
    loud = tone(4, level=0.5)
    right = loud.copy()
    right[16_000:32_000] *= -1
    audio, _ = read(stereo(loud, right, 16_000, "wav", "pcm_s16le"))
    for second in range(4):
        assert loudness(audio[second * 16_000 : (second + 1) * 16_000]) == pytest.approx(0.354, rel=0.05)


def test_a_surround_recording_with_inverted_fronts_is_heard() -> None:
    channels = np.zeros((6, len(SPEECH) * 3), np.float32)
    channels[0] = np.repeat(SPEECH, 3)
    channels[1] = -channels[0]
    audio, _ = read(encoded(channels, 48_000, "wav", "pcm_s16le", "5.1"))
    assert loudness(audio) > 0.3 * loudness(SPEECH)


def test_speakers_on_a_channel_each_are_both_heard() -> None:
    """A call recorder's file: the mix is what it was, half of each."""
    left = np.concatenate([SPEECH, np.zeros_like(SPEECH)])
    right = left[::-1].copy()
    audio, _ = read(stereo(left, right, 16_000, "wav", "pcm_s16le"))
    assert np.abs(audio - (left + right) / 2).max() < 1e-3


@pytest.mark.parametrize("container", ["mp4", "matroska", "mov", "mpegts"])
@pytest.mark.parametrize("level", [0.0, 0.001], ids=["silent", "noise floor"])
def test_a_silent_first_track_is_passed_over(container: str, level: float) -> None:
    speech = np.repeat(SPEECH, 3)
    quiet = (level * np.random.default_rng(1).standard_normal(len(speech))).astype(np.float32)
    audio, source = read(film([quiet, speech], container))
    assert (source.track, source.tracks) == (2, 2)
    assert loudness(audio) == pytest.approx(loudness(SPEECH), rel=0.2)
    audio, source = read(film([speech, quiet], container))
    assert (source.track, source.tracks) == (1, 2)
    assert loudness(audio) == pytest.approx(loudness(SPEECH), rel=0.2)


def test_a_track_that_is_silent_for_a_minute_is_waited_for() -> None:
    late = np.concatenate([silence(70), SPEECH]).repeat(3)
    audio, source = read(film([np.zeros_like(late), late], "mp4"))
    assert source.track == 2
    assert onset(audio) == pytest.approx(70, abs=1.5)


def test_of_two_tracks_with_sound_the_default_one_is_read_or_the_one_asked_for() -> None:
    speech = np.repeat(SPEECH, 3)
    other = tone(len(speech) / 48_000, 48_000, level=0.5)
    content = film([speech, other], "mp4")
    audio, source = read(content)
    assert source.track == 1
    assert loudness(audio) == pytest.approx(loudness(SPEECH), rel=0.2)
    audio, source = read(content, track=2)
    assert source.track == 2
    assert loudness(audio) == pytest.approx(0.354, rel=0.1)
    with pytest.raises(InvalidInput, match="2 audio tracks; there is no track 3"):
        read(content, track=3)
    with pytest.raises(InvalidInput, match="1 audio track; there is no track 2"):
        read(tone_wav(1), track=2)
    assert read(tone_wav(1), track=1)[1].track == 1


AMR = (("amr", "libopencore_amrnb", 8_000), ("3gp", "libopencore_amrnb", 8_000))


@pytest.mark.parametrize(("container", "codec", "rate"), AMR)
def test_a_phones_recording_with_pauses_is_whole(container: str, codec: str, rate: int) -> None:
    """Discontinuous transmission: pauses are sent as comfort noise, which FFmpeg does not decode."""
    speech = np.concatenate([silence(1), SPEECH, silence(6), SPEECH, silence(3)])[::2].copy()
    content = encoded(speech, rate, container, codec, codec_options={"dtx": "1"})
    kinds = [data[0] >> 3 & 15 for data in packets(content)]
    assert sum(kind >= 8 for kind in kinds) > 50, "the encoder made pauses of it"
    assert kinds[-1] >= 8, "it ends in one"
    audio, source = read(content)
    assert not source.warnings
    assert len(audio) / STT_SAMPLE_RATE == pytest.approx(len(speech) / rate, abs=0.3)
    last = len(audio) / STT_SAMPLE_RATE - onset(audio[::-1])
    assert last == pytest.approx(len(speech) / rate - 3 - onset(SPEECH[::-1]), abs=0.3)


def packets(content: bytes) -> list[bytes]:
    with av.open(io.BytesIO(content), mode="r") as source:
        return [bytes(packet) for packet in source.demux(audio=0) if packet.size]


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov", "mpegts"])
def test_sound_that_begins_after_the_picture_keeps_its_time(container: str) -> None:
    audio, _ = read(film([np.repeat(SPEECH, 3)], container, pictures=16, offset=5.0))
    assert onset(audio) == pytest.approx(5 + onset(SPEECH), abs=0.15)
    assert len(audio) == pytest.approx(len(SPEECH) + 80_000, abs=3200)


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov"])
def test_sound_alone_that_begins_late_keeps_its_time(container: str) -> None:
    audio, _ = read(film([np.repeat(SPEECH, 3)], container, offset=5.0))
    assert onset(audio) == pytest.approx(5 + onset(SPEECH), abs=0.15)


@pytest.mark.parametrize("container", ["mpegts", "matroska"])
def test_a_live_stream_that_was_joined_late_begins_at_once(container: str) -> None:
    audio, _ = read(film([np.repeat(SPEECH, 3)], container, offset=5000.0))
    assert onset(audio) == pytest.approx(onset(SPEECH), abs=0.15)
    assert len(audio) == pytest.approx(len(SPEECH), abs=3200)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "aac"), ("webm", "libopus"), ("mp4", "aac")])
def test_a_hole_in_a_recording_is_silence(container: str, codec: str) -> None:
    """Recorders that leave out pauses, and packets that got lost."""
    audio, _ = read(film([np.repeat(SPEECH, 3)] * 1, container, codec=codec, hole=(2.0, 8.0)))
    assert len(audio) == pytest.approx(len(SPEECH) + 8 * 16_000, abs=3200)
    assert loudness(audio[round(2.3 * 16_000) : round(9.5 * 16_000)]) < 1e-3
    assert loudness(audio[10 * 16_000 :]) > 0.3 * loudness(SPEECH)


def test_a_wild_time_does_not_make_hours_of_silence() -> None:
    audio, _ = read(film([np.repeat(SPEECH, 3)], "matroska", hole=(2.0, 7000.0)))
    assert len(audio) == pytest.approx(len(SPEECH), abs=3200)


CUT = [
    ("wav", "pcm_s16le", 16_000, {}),
    ("mp3", "libmp3lame", 48_000, {}),
    ("ogg", "libopus", 48_000, {}),
    ("webm", "libopus", 48_000, {"live": "1"}),
    ("webm", "libopus", 48_000, {}),
    ("flac", "flac", 16_000, {}),
    ("adts", "aac", 48_000, {}),
    ("amr", "libopencore_amrnb", 8_000, {}),
    ("aiff", "pcm_s16be", 16_000, {}),
    ("caf", "pcm_s16le", 16_000, {}),
    (
        "mp4",
        "aac",
        48_000,
        {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"},
    ),
]


@pytest.mark.parametrize(("container", "codec", "rate", "options"), CUT)
def test_a_recording_that_broke_off_is_read_as_far_as_it_goes(
    container: str, codec: str, rate: int, options: dict[str, str]
) -> None:
    speech = np.tile(SPEECH, 3)
    sound = speech[::2].copy() if rate == 8_000 else np.repeat(speech, rate // 16_000)
    whole = encoded(sound, rate, container, codec, options=options)
    cut = whole[: round(0.6 * len(whole)) | 1]
    audio, source = read(cut)
    assert len(audio) == pytest.approx(0.6 * len(speech), rel=0.1)
    [warning] = source.warnings
    assert warning.startswith("the file is cut off: ")
    assert f"what is there was read, up to {len(audio) / 16_000:.1f} s" in warning
    with pytest.raises(NotAudio, match="cut off"):
        read(cut, whole_only=True)
    assert not read(whole, whole_only=True)[1].warnings


def test_nothing_that_can_be_read_is_refused_all_the_same() -> None:
    whole = encoded(np.repeat(SPEECH, 3), 48_000, "mp4", "aac")
    for content in (whole[: len(whole) // 2], tone_wav(3.0)[:44], tone_wav(3.0)[:20], b"RIFF" + bytes(900)):
        with pytest.raises(NotAudio):
            read(content)


def test_the_limit_holds_for_silence_that_is_filled_in() -> None:
    content = film([np.repeat(SPEECH, 3)], "matroska", pictures=40, offset=30.0)
    with AudioSource(io.BytesIO(content), 20) as source, pytest.raises(TooLarge):
        list(source.blocks())
