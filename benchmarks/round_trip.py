"""What a server speaks, and reads back: sentences with numbers, dates, money, addresses and so on.

    make run                                             # or any other server
    python -m benchmarks.round_trip --key KEY            # http://127.0.0.1:8000

Prints the word error rate of each language, and the sentences that did not come back as they went in.
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
    asked = parser.parse_args()
    headers = {"X-API-Key": asked.key}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=120, trust_env=False) as client:
        for language in asked.languages:
            _measure(client, language)


def _measure(client: httpx.Client, language: str) -> None:
    said, heard = [], []
    for sentence in SENTENCES[language]:
        said.append(plain(sentence.said, language))
        heard.append(normalise(_read_back(client, sentence.text, language), language))
        if said[-1] != heard[-1]:
            print(f"  {sentence.kind}: {said[-1]}\n  {'':{len(sentence.kind)}}  {heard[-1]}")
    rate = jiwer.wer(said, heard)
    print(f"{language}: {len(said)} sentences, word error rate {100 * rate:.1f} %")


def _read_back(client: httpx.Client, text: str, language: str) -> str:
    spoken = client.post("/tts", json={"text": text, "language": language})
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
