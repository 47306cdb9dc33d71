"""Encoder, decoder step, start and memory of a Whisper size: ours and CTranslate2's in turn.

    python -m benchmarks.whisper_sizes medium --tokenizer models/whisper/base/tokenizer.json

The weights are random numbers in the true shape (`benchmarks.random_whisper`), in a temporary folder. Both
sides compute in int8 on one thread, and what is told is CPU time, so that a busy machine changes little. A
row is 30 s of audio. A step writes a token of each of its rows with a beam of five.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from benchmarks.random_whisper import SHAPES, save
from src.engines import cpu
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.loop import probe
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
    """CPU seconds of one row's encoding, and of a step for each of its rows; the least of some rounds."""
    mel = np.random.default_rng(1).standard_normal((kind_of(folder).mels, FULL_WINDOW)).astype(np.float32)
    sides = {name: side(folder) for name, side in SIDES.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in sides}
    for side in sides.values():  # compiles, and makes the libraries' kernels
        side.decode(mel, side.encode(mel), 1, 2)  # type: ignore[arg-type]

    def note(name: str, what: str, seconds: float) -> None:
        found[name][what] = min(seconds, found[name].get(what, seconds))

    for _ in range(rounds):
        for name, side in sides.items():
            note(name, "encoder", _cpu_seconds(lambda side=side: side.encode(mel)))  # type: ignore[misc]
    for rows in batches:
        # the least of each, then the difference: the least difference is that of the worst first run
        runs = {name: dict.fromkeys((_FEW, _MANY), float("inf")) for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                encoded = side.encode(mel)
                for steps, least in runs[name].items():
                    seconds = _cpu_seconds(lambda: side.decode(mel, encoded, rows, steps))  # type: ignore[arg-type]  # noqa: B023
                    runs[name][steps] = min(seconds, least)
        for name, least_of in runs.items():
            found[name][f"step of {rows}"] = (least_of[_MANY] - least_of[_FEW]) / (_MANY - _FEW) / rows
    return found


def load(side: str, folder: Path) -> dict[str, float]:
    """Seconds and MB that loading takes, in this process: memory that stays, and the most there was."""
    limit_malloc_arenas()
    before, started = _resident(), time.process_time()
    kept = SIDES[side](folder)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    after = _resident()
    del kept
    return {"load": seconds, "memory": after - before, "peak": peak, "before": before}


def _resident() -> float:
    """MB of this process, without what it maps from files."""
    import ctypes

    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


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
    for what, unit in (("load", "s of CPU"), ("memory", "MB"), ("peak", "MB of the process")):
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
    parser.add_argument("names", nargs="+", choices=sorted(SHAPES), metavar="name")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="tokenizer.json of a multilingual Whisper"
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8], help="of a step")
    parser.add_argument("--rounds", type=int, default=2)
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
                save(SHAPES[name], folder, given.tokenizer)
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
