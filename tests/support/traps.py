"""Hostile files: references to other files and addresses, and small files of hours, real or claimed."""

import struct

from tests.support.audio import box, encoded, tone, tone_wav, wav_around, wav_of
from tests.support.canary import Canary


def names(bait: Canary) -> list[str]:
    path = str(bait.path)
    return [
        bait.path.name, f"./{bait.path.name}", path, f"file:{path}", f"file://{path}", bait.url,
        f"concat:{path}", f"subfile,,start,0,end,0,,:{path}", f"crypto:{path}", f"cache:{bait.url}",
        f"async:{bait.url}",
        f"tcp:{bait.url[5:]}", "data:audio/wav;base64,UklGRg==",
    ]  # fmt: skip


def hls(name: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n".encode()


def hls_master(name: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{name}\n".encode()


def hls_key(name: str) -> bytes:
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{name}",IV=0x{"0" * 32}'
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n{key}\n#EXTINF:2,\nx.ts\n#EXT-X-ENDLIST\n".encode()


def concat(name: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{name}'\n".encode()


def concat_unsafe(name: str) -> bytes:
    options = "option safe 0\noption protocol_whitelist file,http,tcp\n"
    return f"ffconcat version 1.0\nfile {name}\n{options}".encode()


def dash(name: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet contentType="audio" mimeType="audio/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{name}</BaseURL><SegmentBase/></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def vobsub(name: str) -> bytes:
    return (
        "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\n"
        f"# {name}\nid: en, index: 0\ntimestamp: 00:00:01:000, filepos: 000000000\n"
    ).encode()


def sdp(name: str) -> bytes:
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"a=control:{name}\r\nm=audio 9 RTP/AVP 0\r\n"
    ).encode()


def asx(name: str) -> bytes:
    return f"<ASX version='3.0'><entry><ref href='{name}'/></entry></ASX>".encode()


def reference(name: str) -> bytes:
    return f"[Reference]\r\nRef1={name}\r\n".encode()


def rtsp_text(name: str) -> bytes:
    return f"RTSPtext\r\nrtsp://{name}\r\n".encode()


def ffmetadata(name: str) -> bytes:
    return f";FFMETADATA1\ntitle={name}\n".encode()


def ted(name: str) -> bytes:
    return (
        f'{{"captions":[{{"duration":1,"content":"{name}","startOfParagraph":true,"startTime":0}}]}}'.encode()
    )


def svg(name: str) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{name}"/></svg>'.encode()


def m3u(name: str) -> bytes:
    return f"#EXTM3U\n#EXTINF:-1,A song\n{name}\n".encode()


def pls(name: str) -> bytes:
    return f"[playlist]\nFile1={name}\nTitle1=A song\nLength1=-1\nNumberOfEntries=1\nVersion=2\n".encode()


def xspf(name: str) -> bytes:
    return (
        '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track>'
        f"<location>{name}</location></track></trackList></playlist>"
    ).encode()


def smil(name: str) -> bytes:
    return f'<?wpl version="1.0"?><smil><body><seq><media src="{name}"/></seq></body></smil>'.encode()


def cue(name: str) -> bytes:
    return f'FILE "{name}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'.encode()


def shortcut(name: str) -> bytes:
    return f"[InternetShortcut]\r\nURL={name}\r\n".encode()


def srt(name: str) -> bytes:
    return f'1\n00:00:01,000 --> 00:00:02,000\n<img src="{name}"/>{name}\n\n'.encode()


def vtt(name: str) -> bytes:
    return (
        f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00.000\n\nSTYLE\n@import url({name});\n\n"
        f"00:01.000 --> 00:02.000\n{name}\n"
    ).encode()


def ass(name: str) -> bytes:
    return (
        f"[Script Info]\nScriptType: v4.00+\nAudio File: {name}\nVideo File: {name}\n\n[Fonts]\n"
        f"fontname: {name}\n\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{name}\n"
    ).encode()


def sami(name: str) -> bytes:
    return f'<SAMI><BODY><SYNC Start=1000><P><img src="{name}"></SYNC></BODY></SAMI>'.encode()


def microdvd(name: str) -> bytes:
    return f"{{1}}{{1}}25.000\n{{25}}{{50}}{name}\n".encode()


def lyrics(name: str) -> bytes:
    return f"[ar:{name}]\n[00:01.00]{name}\n".encode()


def external_entity(name: str) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY other SYSTEM "{name}">]>'
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="1s" end="2s">&other;</p></body></tt>'
    ).encode()


def mov_reference(name: str) -> bytes:
    """An M4A that refers to another file for its data."""
    film = encoded(tone(0.5, 16_000), 16_000, "ipod", "aac")
    at = film.index(b"url \x00\x00\x00\x01") - 4
    entry = box(b"url ", bytes(4), name.encode() + b"\0")
    grown = bytearray(film[:at] + entry + film[at + 12 :])
    for parent in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = grown.rindex(parent, 0, at + 4) - 4
        (length,) = struct.unpack_from(">I", grown, start)
        struct.pack_into(">I", grown, start, length + len(entry) - 12)
    return bytes(grown)


SCRIPTS = [
    hls, hls_master, hls_key, concat, concat_unsafe, dash, vobsub, sdp, asx, reference, rtsp_text, ffmetadata,
    ted, svg, m3u, pls, xspf, smil, cue, shortcut, srt, vtt, ass, sami, microdvd, lyrics, external_entity,
]  # fmt: skip


def claims_samples(count: int, box_name: bytes = b"stsz") -> bytes:
    film = bytearray(encoded(tone(0.5, 8_000), 8_000, "3gp", "libopencore_amrnb"))
    at = film.index(box_name)
    struct.pack_into(">I", film, at + 12, count)
    return bytes(film)


def claims_fragment(count: int) -> bytes:
    options = {"movflags": "+frag_keyframe+empty_moov"}
    film = bytearray(encoded(tone(0.5, 16_000), 16_000, "mp4", "aac", options=options))
    struct.pack_into(">I", film, film.index(b"trun") + 8, count)
    return bytes(film)


def floods(size: int) -> dict[str, bytes]:
    """Videos of `size` bytes whose index repeats one kind of box; by the kind of box.

    A reader that compares boxes pairwise needs a minute or more for a megabyte of each.
    """

    def film(*boxes: bytes) -> bytes:
        index = box(b"minf", box(b"stbl", *boxes))
        sound = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"soun", bytes(12)), index))
        return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", sound) + box(b"mdat", bytes(40))

    sizes = box(b"stsz", bytes(4), struct.pack(">II", 1, 1))
    durations = box(b"stts", bytes(4), struct.pack(">III", 1, 1, 1))
    chunks = box(b"stsc", bytes(4), struct.pack(">I", 2**32 - 1))
    picture = box(b"covr") + box(b"stts", bytes(8))
    pictures = picture * (size // len(picture))
    return {
        "stsz": film(sizes * (size // len(sizes))),
        "stts and stsz": film(*([sizes, durations] * (size // len(sizes + durations)))),
        "stsc": film(chunks * (size // len(chunks))),
        "covr and stts": box(b"ftyp", b"isom", bytes(4)) + box(b"moov", pictures) + box(b"mdat", bytes(40)),
        "empty boxes": box(b"ftyp", b"isom", bytes(4)) + box(b"free") * (size // 8),
    }


def length_claims() -> dict[str, bytes]:
    """Audio of half a second whose header claims gigabytes or years; by the name of the claim."""

    def claims(container: str, codec: str, marker: bytes, at: int, value: bytes) -> bytes:
        file = bytearray(encoded(tone(0.5, 16_000), 16_000, container, codec))
        start = file.index(marker) + at
        file[start : start + len(value)] = value
        return bytes(file)

    most = b"\xff" * 8
    return {
        "wav data": wav_of(tone(0.5), data_size=2**31 - 1),
        "wav data, all ones but one": wav_of(tone(0.5), data_size=2**32 - 2),
        "wav format": claims("wav", "pcm_s16le", b"fmt ", 4, most[:4]),
        "wav channels": wav_around(bytes(16_000), 16_000, 65_535),
        "wav rate": wav_around(bytes(16_000), 2**32 - 1),
        "aiff sound": claims("aiff", "pcm_s16be", b"SSND", 4, b"\x7f" + most[:3]),
        "aiff frames": claims("aiff", "pcm_s16be", b"COMM", 10, most[:4]),
        "au": claims("au", "pcm_s16be", b".snd", 8, b"\x7f" + most[:3]),
        "caf": claims("caf", "pcm_s16le", b"data", 4, b"\x7f" + most[:7]),
        "wave64": claims("w64", "pcm_s16le", b"data", 16, b"\x7f" + most[:7]),
        "flac samples": claims("flac", "flac", b"fLaC", 21, b"\xff" + most[:4]),
        "flac block": claims("flac", "flac", b"fLaC", 5, most[:3]),
        "true audio": claims("tta", "tta", b"TTA1", 14, most[:4]),
        "wavpack": claims("wv", "wavpack", b"wvpk", 12, most[:4]),
        "ogg position": claims("ogg", "libopus", b"OggS", 6, b"\x7f" + most[:7]),
        "matroska": claims("matroska", "flac", b"\x18\x53\x80\x67", 4, b"\x01\x7f" + most[:6]),
        "mp4 sound": claims("mp4", "aac", b"mdat", -4, b"\x7f" + most[:3]),
        "mp4 index": claims("mp4", "aac", b"moov", -4, b"\x7f" + most[:3]),
        "mp4 time": claims("mp4", "aac", b"mdhd", 12, b"\0\0\0\x01\x7f" + most[:3]),
        "mp4 samples": claims_samples(2**26 - 1),
        "mp4 fragment": claims_fragment(2**26),
        "id3": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + encoded(tone(0.5, 16_000), 16_000, "mp3", "libmp3lame"),
        "rf64": b"RF64" + most[:4] + b"WAVEds64\x1c\0\0\0" + most[:7] * 4 + tone_wav(0.5)[12:],
    }


def silent_flac(seconds: float, length: int = 0) -> bytes:
    """Digital silence at 8 kHz, an hour in 6 kB: eight seconds fit into a frame of 13 to 15 bytes.

    Args:
        length: number of samples that the header claims; 0: unknown.
    """
    most = 65_535
    information = struct.pack(">HH6xQ16x", most, most, 8_000 << 44 | 15 << 36 | length)
    parts = [b"fLaC\x80", len(information).to_bytes(3, "big"), information]
    for number in range(round(seconds * 8_000 / most)):
        head = b"\xff\xf8\x74\x08" + chr(number).encode() + struct.pack(">H", most - 1)
        head += bytes([_crc(head, 0x07, 8)])
        frame = head + b"\0" + bytes(2)  # a subframe that is constant
        parts.append(frame + struct.pack(">H", _crc(frame, 0x8005, 16)))
    return b"".join(parts)


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (bits - 1) & 1 else 0)
            value &= (1 << bits) - 1
    return value
