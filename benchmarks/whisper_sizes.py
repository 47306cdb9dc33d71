"""Encoder, decoder step, start and memory of a Whisper size: ours and CTranslate2's in turn.

    python -m benchmarks.whisper_sizes medium --tokenizer models/whisper/base/tokenizer.json

The weights are random numbers in the true shape (`benchmarks.random_whisper`), in a temporary folder. Both
sides compute in int8 on one thread, and what is told is CPU time, so that a busy machine changes little: the
medians of the rounds, ours and theirs in turn. A row is 30 s of audio. A step writes a token of each of its
rows with a beam of five.

`--ladder N` serves N rows of noise as a server would, through all temperatures, and says how long the longest
step was: readiness is lost after `STALL_SECONDS`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from benchmarks.random_whisper import SHAPES, save
from src.engines import cpu
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.loop import LoopRunner, probe
from src.engines.whisper.loop.decode_state import DecodeState, EncoderOutput
from src.engines.whisper.loop.decoder import WhisperDecoder
from src.engines.whisper.loop.encoder import WhisperEncoder
from src.engines.whisper.loop.layers import LayerBuilder
from src.engines.whisper.loop.logit_filter import LogitFilter
from src.engines.whisper.loop.step import decode_step
from src.engines.whisper.loop.weights import kind_of, read
from src.engines.whisper.row import FULL_WINDOW, Mel, WhisperRow
from src.engines.whisper.vocabulary import Vocabulary
from src.engines.worker_pool import Stage, Task, WorkerPool
from src.processes.allocator import limit_malloc_arenas
from src.scheduling.batcher import STALL_SECONDS

T = TypeVar("T")
_FEW, _MANY = 3, 19
"""Steps of two runs, whose difference is what steps cost without what comes before them."""
_SPOKEN = 4.0
"""Tokens that people say in a second, timestamps included."""
_SECONDS = 30


class Ours:
    """The loop's parts, on the calling thread."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        can = probe("int8", folder)
        self.vocabulary = Vocabulary(folder, kind_of(folder).multilingual)
        self._encoder = WhisperEncoder(
            LayerBuilder(read(folder, "encoder/"), can.many_rows), can.conv_dtype, can.encoder_attention
        )
        arrays = read(folder, "decoder/")
        self._decoder = WhisperDecoder(
            LayerBuilder(arrays, can.few_rows), LayerBuilder(arrays, can.many_rows), can.cross_attention
        )
        self._filter = LogitFilter(self.vocabulary, self._decoder.outputs)

    def encode(self, mel: Mel) -> torch.Tensor:
        return _run(self._encoder.run(mel, FULL_WINDOW))

    def decode(self, mel: Mel, encoded: torch.Tensor, rows: int, steps: int) -> None:
        states = []
        for _ in range(rows):
            state = DecodeState(WhisperRow(mel, _SECONDS, FULL_WINDOW, "en"), self.vocabulary, self._filter)
            state.encoder_output = EncoderOutput(_run(self._decoder.project_kv(encoded)), FULL_WINDOW)
            states.append(state)
        with torch.inference_mode():
            for _ in range(steps):
                decode_step(self._decoder, self._filter, states)


class Theirs:
    """CTranslate2's model, with one thread."""

    def __init__(self, folder: Path) -> None:
        self._model = CTranslate2Model(folder, "cpu", "int8", 1, 1)
        self._vocabulary = Vocabulary(folder, self._model.multilingual)

    def encode(self, mel: Mel) -> object:
        return self._model.encode([mel], FULL_WINDOW)

    def decode(self, _: Mel, encoded: object, rows: int, steps: int) -> None:
        together = self._model.select(encoded, [0] * rows) if rows > 1 else encoded
        start = self._vocabulary.start("en", "transcribe", ())
        self._model.generate(together, [start] * rows, steps, 0.0, self._vocabulary)


SIDES: dict[str, type[Ours | Theirs]] = {"ours": Ours, "CTranslate2": Theirs}


def _run(stages: Generator[Stage, None, T]) -> T:
    pool, task = WorkerPool(0, "bench"), Task(stages)
    pool.submit(task)
    while pool.help():
        pass
    if isinstance(task.outcome, Exception) or task.outcome is None:
        raise RuntimeError("a subtask failed") from task.outcome
    return task.outcome


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(folder: Path, batches: list[int], rounds: int) -> dict[str, dict[str, float]]:
    """CPU seconds of one row's encoding, and of a step for each of its rows; medians."""
    mel = np.random.default_rng(1).standard_normal((kind_of(folder).mels, FULL_WINDOW)).astype(np.float32)
    sides = {name: side(folder) for name, side in SIDES.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in sides}
    encoded = {name: side.encode(mel) for name, side in sides.items()}
    for name, side in sides.items():  # compiles, and makes the libraries' kernels
        side.decode(mel, encoded[name], 1, 2)  # type: ignore[arg-type]
    encodings: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            encodings[name].append(_cpu_seconds(lambda side=side: side.encode(mel)))  # type: ignore[misc]
    for name, seconds in encodings.items():
        found[name]["encoder"] = median(seconds)
    for rows in batches:
        runs: dict[str, dict[int, list[float]]] = {name: {_FEW: [], _MANY: []} for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                audio = encoded[name]
                for steps, taken in runs[name].items():
                    taken.append(_cpu_seconds(lambda: side.decode(mel, audio, rows, steps)))  # type: ignore[arg-type]  # noqa: B023
        for name, run in runs.items():
            few, many = (median(run[steps]) for steps in (_FEW, _MANY))
            found[name][f"step of {rows}"] = (many - few) / (_MANY - _FEW) / rows
    return found


def load(side: str, folder: Path) -> dict[str, float]:
    """Seconds and MB that loading takes, in this process: memory that stays, and the most there was.

    `start` is loading and a first text of two tokens, which makes and compiles what is missing.
    """
    limit_malloc_arenas()
    before, started = _resident(), time.process_time()
    kept = SIDES[side](folder)
    seconds = time.process_time() - started
    peak = _status("VmHWM")
    after = _resident()
    silence = np.zeros((kind_of(folder).mels, FULL_WINDOW), np.float32)
    kept.decode(silence, kept.encode(silence), 1, 2)  # type: ignore[arg-type]
    start = time.process_time() - started
    return {"load": seconds, "start": start, "memory": after - before, "peak": peak, "before": before}


def climb(folder: Path, rows: int) -> dict[str, float]:
    """Seconds of the longest step, where every row is read at all temperatures; and memory at the end, in MB.

    Nothing that random weights write is likely. The text is bounded like that of one second.
    """
    limit_malloc_arenas()
    kind = kind_of(folder)
    vocabulary = Vocabulary(folder, kind.multilingual)
    runner = LoopRunner(lambda: vocabulary, folder, probe("int8", folder), rows, 2)
    runner.open()
    noise = np.random.default_rng(1).standard_normal((kind.mels, FULL_WINDOW)).astype(np.float32)
    for number in range(rows):
        runner.add(number, WhisperRow(noise, 1.0, FULL_WINDOW, "en"))
    longest, began, done = 0.0, time.monotonic(), 0
    while done < rows:
        started = time.monotonic()
        done += len(list(runner.step() or ()))
        longest = max(longest, time.monotonic() - started)
    found = {"longest": longest, "whole": time.monotonic() - began, "retried": runner.stats.retried}
    found["memory"] = _resident()
    runner.close()
    return found


def _resident() -> float:
    """MB of this process, without what it maps from files."""
    import ctypes

    ctypes.CDLL(None).malloc_trim(0)
    return _status("RssAnon")


def _status(name: str) -> float:
    """MB of a line of this process's status. `getrusage` would count what ran before `exec`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def report(
    name: str, folder: Path, loads: dict[str, dict[str, float]], found: dict[str, dict[str, float]]
) -> None:
    """A table, as docs/operations/tune.md has it."""
    weights = (folder / "model.bin").stat().st_size / 2**20
    print(f"\n{name}: {weights:.0f} MB of weights, {cpu.in_words()}\n")
    print("| | ours | CTranslate2 | |\n| --- | --- | --- | --- |")
    for what in next(iter(found.values())):
        ours, theirs = (found[side][what] for side in found)
        print(f"| {what}, ms a row | {ours * 1e3:.1f} | {theirs * 1e3:.1f} | {theirs / ours:.2f}x |")
    for what, unit in (
        ("load", "s of CPU"),
        ("start", "s of CPU"),
        ("memory", "MB"),
        ("peak", "MB of the process"),
    ):
        print(f"| {what}, {unit} | {loads['ours'][what]:.1f} | {loads['CTranslate2'][what]:.1f} | |")
    last = list(found["ours"])[-1]
    for side, one in found.items():
        spent = one["encoder"] + _SECONDS * _SPOKEN * one[last]
        print(
            f"{side}: {_SECONDS / spent:.1f} s of speech a second of one core, {60 / spent:.1f} rows a minute"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", metavar="name", help=", ".join(SHAPES))
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="tokenizer.json of a multilingual Whisper"
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8], help="of a step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ladder", type=int, metavar="ROWS", help="only the longest step of so many rows")
    parser.add_argument("--folder", type=Path, help="holds or gets the weights; else they are deleted")
    parser.add_argument("--load", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.names:
            folder = (given.folder or Path(temporary)) / name
            if given.load:
                print(json.dumps(load(given.load, folder)))
                continue
            if not (folder / "model.bin").is_file():
                if name not in SHAPES:
                    parser.error(f"{name} is none of {', '.join(SHAPES)}")
                save(SHAPES[name], folder, given.tokenizer)
            if given.ladder:
                found = climb(folder, given.ladder)
                print(
                    f"{name}, {found['retried']} of {given.ladder} rows at all temperatures: "
                    f"{found['whole']:.0f} s, the longest step {found['longest']:.2f} s, readiness is lost "
                    f"after {STALL_SECONDS:.0f} s; {found['memory']:.0f} MB"
                )
                continue
            command = [sys.executable, "-m", "benchmarks.whisper_sizes", name, "--tokenizer", given.tokenizer]
            loads = {
                side: json.loads(
                    subprocess.check_output(
                        [*command, "--folder", folder.parent, "--load", side], text=True
                    ).splitlines()[-1]
                )
                for side in SIDES
            }
            report(name, folder, loads, measure(folder, given.rows, given.rounds))


if __name__ == "__main__":
    main()
