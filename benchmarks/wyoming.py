"""Compare speech to text over the Wyoming protocol with wyoming-faster-whisper, on the same weights.

    WYOMING_PORT=10300 make run
    python -m benchmarks.wyoming --port 10300
    python -m benchmarks.wyoming --port 10300 --language es --clips 40 --rounds 5

`wyoming-bench` from the package index sends recorded clips to both servers, one at a time, and prints times
and word error rates. It and the peer run in environments of their own, which are made with uv.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.environments import python_with
from benchmarks.live_peers import serving
from benchmarks.speech import clips, decode, normalised
from src.engines import cpu
from tests.support.speech import wav

_TOOL = "wyoming-bench==2026.10.0"


def write_corpus(language: str, count: int, folder: Path) -> str:
    """Write clips and what is said in them as `wyoming-bench` wants them; says how many they are."""
    pool = clips(language)[:count]
    for clip in pool:
        path = folder / f"{clip.name.replace('/', '-')}.wav"
        path.write_bytes(wav(decode(clip.path)).getvalue())
        path.with_suffix(".txt").write_text(normalised(language, clip.text))
    return f"{len(pool)} clips, {sum(clip.seconds for clip in pool):.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=10300, help="of a server that runs (WYOMING_PORT)")
    parser.add_argument("--language", default="en", choices=["en", "es"])
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=Path("models/whisper/base"), help="of the peer")
    asked = parser.parse_args()
    tool = python_with((_TOOL,)).parent / "wyoming-bench"
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("wyoming-faster-whisper", asked.model.resolve(), asked.language) as (_, port, _),
    ):
        corpus = write_corpus(asked.language, asked.clips, Path(folder))
        print(f"CPU: {cpu.in_words()}; {corpus}", flush=True)
        command: list[str | Path] = [
            tool,
            "stt",
            f"127.0.0.1:{asked.port}",
            f"127.0.0.1:{port}",
            "--corpus",
            folder,
        ]
        command += ["--rounds", str(asked.rounds), "--config", json.dumps({"language": asked.language})]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
