"""Real files of every kind, whole and damaged, through the real FFmpeg."""

import io
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from src.core.errors import NotAudio, TooLarge
from src.services.audio import AudioSource
from tests.support.audio import encoded, tone, tone_wav, wav_of

SECONDS = 2.3


def decode(content: bytes, max_seconds: float = 60) -> np.ndarray:
    with AudioSource(io.BytesIO(content), max_seconds) as source:
        return np.concatenate(list(source.blocks()))


KINDS = {
    # name: (rate, container, codec, layout, video)
    "wav 8 bit": (16_000, "wav", "pcm_u8", "mono", False),
    "wav 24 bit stereo": (44_100, "wav", "pcm_s24le", "stereo", False),
    "wav float": (48_000, "wav", "pcm_f32le", "mono", False),
    "wav telephone": (8_000, "wav", "pcm_mulaw", "mono", False),
    "mp3": (22_050, "mp3", "libmp3lame", "mono", False),
    "mp3 stereo": (44_100, "mp3", "libmp3lame", "stereo", False),
    "opus": (48_000, "ogg", "libopus", "mono", False),
    "browser": (48_000, "webm", "libopus", "mono", False),
    "m4a": (44_100, "mp4", "aac", "stereo", False),
    "flac": (24_000, "flac", "flac", "mono", False),
    "aiff": (32_000, "aiff", "pcm_s16be", "mono", False),
    "film": (44_100, "mp4", "aac", "mono", True),
    "matroska film": (48_000, "matroska", "ac3", "stereo", True),
}


def make(name: str, seconds: float = SECONDS) -> bytes:
    rate, container, codec, layout, video = KINDS[name]
    return encoded(tone(seconds, rate), rate, container, codec, layout, video)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_decodes_to_what_was_put_in(name: str) -> None:
    audio = decode(make(name))
    assert audio.dtype == np.float32
    assert len(audio) / 16_000 == pytest.approx(SECONDS, abs=0.06)
    spectrum = np.abs(np.fft.rfft(audio[:16_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)
    assert 0.2 < np.sqrt(np.mean(audio[2000:-2000] ** 2)) < 0.35


def test_blocks_are_about_a_second_and_miss_nothing() -> None:
    with AudioSource(io.BytesIO(tone_wav(5.5)), 60) as source:
        assert source.duration_hint == pytest.approx(5.5)
        blocks = list(source.blocks())
    assert all(len(block) <= 32_000 for block in blocks)
    assert sum(map(len, blocks)) == 88_000
    assert np.abs(np.concatenate(blocks) - tone(5.5)).max() < 1e-4


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
    import av

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


@pytest.mark.parametrize("name", ["wav float", "m4a", "flac", "aiff", "film"])
def test_a_file_that_is_cut_off_is_refused(name: str) -> None:
    whole = make(name, seconds=6.0)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(NotAudio):
            decode(whole[: int(len(whole) * share)])


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


def test_hours_of_silence_in_kilobytes_stop_at_the_limit() -> None:
    silence = encoded(np.zeros(600 * 8000, np.float32), 8_000, "flac", "flac")
    assert len(silence) < 200_000
    with pytest.raises(TooLarge):
        decode(silence, max_seconds=20)


@pytest.mark.parametrize(("rate", "channels"), [(1, 1), (4_000_000_000, 1), (16_000, 0), (16_000, 65_535)])
def test_absurd_headers_are_no_recording(rate: int, channels: int) -> None:
    content = bytearray(tone_wav(1.0))
    content[22:24] = struct.pack("<H", channels)
    content[24:28] = struct.pack("<I", rate)
    with pytest.raises(NotAudio):
        decode(bytes(content))


def scripts(target: str) -> Iterator[bytes]:
    yield f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n".encode()
    yield f"ffconcat version 1.0\nfile '{target}'\n".encode()
    yield f"# VobSub index file, v7\n# {target}\nid: en, index: 0\n".encode()
    yield f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=audio 9 RTP/AVP 0\na={target}\n".encode()
    yield (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()
    yield f"[Reference]\nRef1={target}\n".encode()
    yield f"RTSPtextrtsp://{target}\r\n".encode()
    yield f"<ASX version='3.0'><entry><ref href='{target}'/></entry></ASX>".encode()


def test_no_script_makes_ffmpeg_open_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(tone_wav(2.0))
    for name in (secret, f"file:{secret}", f"concat:{secret}", f"subfile,,start,0,end,0,,:{secret}"):
        for script in scripts(str(name)):
            with pytest.raises(NotAudio):
                decode(script)
    whole = decode(secret.read_bytes())
    assert len(whole) == 32_000  # the file itself would have decoded


def test_a_mov_that_refers_to_another_file_does_not_reach_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(tone_wav(2.0))
    film = make("m4a")
    # a data reference of type `url ` that is not self-contained, naming the file
    url = f"file://{secret}".encode() + b"\0"
    at = film.index(b"url \x00\x00\x00\x01")
    entry = struct.pack(">I", 12 + len(url)) + b"url \x00\x00\x00\x00" + url
    with pytest.raises(NotAudio):
        decode(film[: at - 4] + entry + film[at + 8 :][:-200])


def damaged(count: int) -> Iterator[tuple[str, bytes]]:
    """Files cut, flipped, spliced and given wrong headers; the same ones at every run."""
    chance = random.Random(7)
    wholes = [(name, make(name, seconds=0.4)) for name in KINDS]
    for number in range(count):
        name, whole = wholes[number % len(wholes)]
        content = bytearray(whole)
        match number // len(wholes) % 5:
            case 0:
                content = content[: chance.randrange(len(content))]
            case 1:
                for _ in range(chance.randrange(1, 200)):
                    content[chance.randrange(len(content))] = chance.randrange(256)
            case 2:
                for _ in range(8):
                    content[chance.randrange(min(200, len(content)))] = chance.choice((0, 0x7F, 0x80, 0xFF))
            case 3:
                start = chance.randrange(len(content))
                del content[start : start + chance.randrange(1, 2000)]
            case _:
                other = wholes[chance.randrange(len(wholes))][1]
                content = content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]
        yield f"{number} {name}", bytes(content)


def test_six_hundred_damaged_files_do_no_harm() -> None:
    outcomes = {"audio": 0, "refused": 0}
    for name, content in damaged(600):
        try:
            audio = decode(content, max_seconds=20)
        except (NotAudio, TooLarge):
            outcomes["refused"] += 1
        else:
            assert np.isfinite(audio).all(), name
            assert np.abs(audio).max() <= 1.0, name
            outcomes["audio"] += 1
    assert outcomes["audio"] > 50
    assert outcomes["refused"] > 50
