"""What the answers are worth: the words of spoken sentences, read again, and when the first sound comes."""

import statistics
import time

import httpx
import jiwer

from benchmarks.load.servers import VOZ
from benchmarks.load.workloads import VOICES, Workload, speech_body
from tests.support.sentences import SENTENCES, normalise, plain

_SENTENCES = 10
"""Of each language."""
_STREAMED = "Please leave your name and number, and somebody will call you back tomorrow morning."
_TIMES = 5


async def of(workload: Workload, clients: dict[str, httpx.AsyncClient]) -> dict[str, str]:
    """In words, for each server that speaks through OpenAI's route; nothing for other workloads.

    All sounds are read by Voz. The servers are idle otherwise, and take turns.
    """
    if not workload.speaks:
        return {}
    wrong = {name: await _wrong_words(client, clients[VOZ.name]) for name, client in clients.items()}
    first: dict[str, list[float]] = {name: [] for name in clients}
    whole: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(_TIMES + 1):
        for name, client in clients.items():
            heard, ended = await _streamed(client)
            if number:  # a voice's first stream prepares those after it
                first[name].append(heard)
                whole[name].append(ended)
    return {
        name: f"{wrong[name]:.1f} % of the words are read wrong; a stream of {len(_STREAMED.split())} words "
        f"begins after {statistics.median(first[name]):.2f} of {statistics.median(whole[name]):.2f} s"
        for name in clients
    }


async def _wrong_words(client: httpx.AsyncClient, reader: httpx.AsyncClient) -> float:
    """Word error rate, in percent, of sentences without digits: numbers are read by the text's language."""
    references, hypotheses = [], []
    for language, voice in VOICES.items():
        words = [one for one in SENTENCES[language] if not any(sign.isdigit() for sign in one.text)]
        for sentence in words[:_SENTENCES]:
            spoken = await client.post("/v1/audio/speech", json=speech_body(sentence.text, voice, "wav"))
            spoken.raise_for_status()
            read = await reader.post("/stt", files={"file": spoken.content}, data={"language": language})
            read.raise_for_status()
            references.append(plain(sentence.said, language))
            hypotheses.append(normalise(read.json()["text"], language))
    return 100 * float(jiwer.wer(references, hypotheses))


async def _streamed(client: httpx.AsyncClient) -> tuple[float, float]:
    """Seconds until a stream begins, and until it ends."""
    began, first = time.perf_counter(), 0.0
    body = speech_body(_STREAMED, VOICES["en"], "pcm") | {"stream": True}
    async with client.stream("POST", "/v1/audio/speech", json=body) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            first = first or (time.perf_counter() - began if piece else 0.0)
    return first, time.perf_counter() - began
