"""Round trip: a server speaks sentences with numbers, dates, money and addresses, and transcribes the result.

    make run                                             # or any other server
    python -m benchmarks.round_trip --key KEY            # http://127.0.0.1:8000
    python -m benchmarks.round_trip --key KEY --voices all --sentences 3

Prints the word error rate of each language, or of each voice, and the sentences whose transcript
differs.
"""

import argparse
import sys

import httpx
import jiwer

from tests.support.sentences import SENTENCES, normalise, plain


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", required=True)
    parser.add_argument("--languages", nargs="+", default=list(SENTENCES), choices=list(SENTENCES))
    parser.add_argument("--voices", nargs="+", default=[], help="ids of GET /voices, or `all`")
    parser.add_argument("--sentences", type=int, help="so many of each language; all by default")
    asked = parser.parse_args()
    headers = {"X-API-Key": asked.key}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=120, trust_env=False) as client:
        for language in asked.languages:
            for voice in _voices(client, language, asked.voices) if asked.voices else [None]:
                measure(client, language, voice, asked.sentences)


def _voices(client: httpx.Client, language: str, wanted: list[str]) -> list[str]:
    answer = client.get("/voices")
    _check(answer)
    ids = [voice["id"] for voice in answer.json()["voices"] if voice["language"] == language]
    return [voice for voice in ids if wanted == ["all"] or voice in wanted]


def measure(client: httpx.Client, language: str, voice: str | None, count: int | None) -> float:
    """Print the sentences whose transcript differs, and give the word error rate."""
    references, hypotheses = [], []
    for sentence in SENTENCES[language][:count]:
        references.append(plain(sentence.said, language))
        hypotheses.append(normalise(_read_back(client, sentence.text, language, voice), language))
        if references[-1] != hypotheses[-1]:
            print(f"  {sentence.kind}: {references[-1]}\n  {'':{len(sentence.kind)}}  {hypotheses[-1]}")
    rate = jiwer.wer(references, hypotheses)
    print(f"{voice or language}: {len(references)} sentences, word error rate {100 * rate:.1f} %")
    return float(rate)


def _read_back(client: httpx.Client, text: str, language: str, voice: str | None) -> str:
    spoken = client.post("/tts", json={"text": text, "language": language, "voice": voice})
    _check(spoken)
    audio = httpx.get(spoken.json()["url"], timeout=60, trust_env=False)
    _check(audio)
    read = client.post("/stt", files={"file": audio.content}, data={"language": language})
    _check(read)
    return str(read.json()["text"])


def _check(answer: httpx.Response) -> None:
    if answer.is_error:
        sys.exit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")


if __name__ == "__main__":
    main()
