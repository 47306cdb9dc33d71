"""Uploads are not trusted: too large, not audio, or a trap."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.audio import tone_wav
from tests.support.server import KEY, RunningServer, app_with, serve

pytestmark = pytest.mark.models


def test_what_is_not_audio_gets_a_clear_415(voz: RunningServer) -> None:
    whole = tone_wav(1.0)
    files = {
        "empty": b"",
        "text": b"Dear diary, today I recorded nothing at all.\n" * 50,
        "image": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "zip": b"PK\x03\x04" + bytes(500),
        "cut off before there is any sound": whole[:44],
    }
    with voz.client() as client:
        for name, content in files.items():
            answer = client.post("/stt", files={"file": ("audio.wav", content)})
            assert answer.status_code == 415, (name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.json()["detail"]) > 10, name


@contextmanager
def counting_listener() -> Iterator[tuple[int, list[object]]]:
    """A port on loopback that notes every connection."""
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, peer = listener.accept()
                except OSError:
                    return
                connections.append(peer)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], connections
        listener.shutdown(socket.SHUT_RDWR)


def test_an_upload_cannot_name_another_file_or_address(voz: RunningServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(tone_wav(2.0))
    with counting_listener() as (port, connections), voz.client() as client:
        for target in (str(secret), f"file://{secret}", f"http://127.0.0.1:{port}/a.wav"):
            traps = {
                "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
                "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
                "film.idx": f"# VobSub index file, v7\nid: en, index: 0\n# {target}\n",
                "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
                f"m=audio {port} RTP/AVP 0\n",
            }
            for name, script in traps.items():
                answer = client.post("/stt", files={"file": (name, script.encode())})
                assert answer.status_code == 415, (name, target, answer.text)
        for name in (str(secret), f"concat:{secret}", f"http://127.0.0.1:{port}/a.wav", "/etc/passwd"):
            answer = client.post("/stt", files={"file": (name, b"nothing to hear")})
            assert answer.status_code == 415, name
    assert connections == []


def test_more_than_the_limit_is_refused(voz: RunningServer, models, make_settings) -> None:  # type: ignore[no-untyped-def]
    settings = make_settings(max_upload_mb=1, max_audio_seconds=3, max_text_chars=20)
    with serve(app_with(models, settings)) as server, server.client() as client:
        declared = client.post("/stt", files={"file": io.BytesIO(bytes(4 * 2**20))})
        assert (declared.status_code, declared.json()["title"]) == (413, "Too large")

        def endless() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield bytes(2**16)

        undeclared = client.post(
            "/stt", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert undeclared.status_code == 413
        long = client.post("/stt", files={"file": tone_wav(5.0)})
        assert long.status_code == 413
        assert "3" in long.json()["detail"]
        text = client.post("/tts", json={"text": "a" * 21, "language": "en"})
        assert text.status_code == 413
        assert client.get("/health/live").status_code == 200


def test_a_declared_200_mb_is_refused_before_it_is_sent(voz: RunningServer) -> None:
    host, port = voz.url.removeprefix("http://").split(":")
    head = (
        f"POST /stt HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 200000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert b" 413 " in received.splitlines()[0]
    assert b"application/problem+json" in received


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"language": "klingon"}, 422),
        ({"languages": "en,xx"}, 422),
        ({"task": "sing"}, 422),
        ({"response_format": "docx"}, 422),
        ({"word_timestamps": "perhaps"}, 422),
        ({"prompt": "x" * 2001}, 422),
        ({"max_line_width": "-1"}, 422),
        ({"beam_size": "11"}, 422),
        ({"stream": "maybe"}, 422),
        ({"language": "../../etc/passwd"}, 422),
        ({"unknown": "ignored"}, 200),
        ({"beam_size": "10"}, 200),
    ],
)
def test_a_bad_field_is_named(voz: RunningServer, fields: dict[str, str], status: int) -> None:
    with voz.client() as client:
        answer = client.post("/stt", files={"file": tone_wav(1.0)}, data=fields)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["type"] == "urn:voz:invalid-input"


@pytest.mark.parametrize(
    "body",
    [{}, {"text": ""}, {"text": "  \n "}, {"text": "!?"}, {"text": "a", "language": "fr"},
     {"text": "a", "speed": 9}, {"text": "a", "format": "doc"}, {"text": 5}, [],
     {"text": "a", "voice": "/etc/passwd"}],
    ids=str,
)  # fmt: skip
def test_a_bad_speech_request_is_422(voz: RunningServer, body: object) -> None:
    with voz.client() as client:
        answer = client.post("/tts", json=body)
    assert answer.status_code == 422, answer.text
    assert len(answer.json()["detail"]) > 10
