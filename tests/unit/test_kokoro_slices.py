"""Where a sentence is cut into slices, and what is expected of a sentence of a voice that was learnt."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.engines.base import Audio, Voice
from src.engines.kokoro.frames import FRAME_SAMPLES, Decoded
from src.engines.kokoro.slices import bounds
from src.engines.kokoro.statistics import SENTENCES, Learnt, VoiceStatistics, expected, learnt_of

VOICE = Voice("af_one", "en", "en-US", "kokoro", "kokoro-82m", 24_000, fingerprint="abc")
OTHER = Voice("af_other", "en", "en-US", "kokoro", "kokoro-82m", 24_000, fingerprint="def")


def values(of: float) -> tuple[Audio, ...]:
    return tuple(np.full((1, channels, 1), of, np.float32) for channels in (3, 2))


def learn(statistics: VoiceStatistics, voice: Voice, of: float) -> None:
    for number in range(len(SENTENCES["en"])):
        statistics.learn(voice, number, Learnt(30 + 30 * number, -20.0 - of, 0.5, values(of)))


@given(st.integers(1, 40), st.integers(1, 3000))
def test_slices_grow_and_are_the_whole(silence: int, speech: int) -> None:
    frames = 2 * silence + speech
    found = bounds(np.array([silence, speech]), frames)
    lengths = np.diff(found)
    assert found[-1] == frames
    assert 2 * silence - 10 <= found[0] <= 2 * silence
    assert (lengths > 0).all()
    # a machine that makes two seconds in one has each ready before the one before it has been heard
    assert all(later <= 1.9 * length for length, later in itertools.pairwise(lengths))
    if len(lengths) > 1:
        assert found[1] == 2 * silence + 28
        assert lengths[-1] >= 24


def test_the_first_slice_is_short_and_a_short_sentence_is_one() -> None:
    assert bounds(np.array([13, 171]), 368)[:3] == [16, 54, 104]
    assert bounds(np.array([13, 10]), 60) == [16, 60]


def test_a_sentence_is_expected_to_be_as_those_of_its_length() -> None:
    learnt = [Learnt(30, -24.0, 0.4, values(0)), Learnt(160, -20.0, 0.6, values(1))]
    short, medium, long = (expected(learnt, symbols) for symbols in (25, 70, 400))
    assert float(short.statistics[0].mean()) < 0.01
    assert 0.3 < float(medium.statistics[0].mean()) < 0.7
    assert float(long.statistics[1].mean()) > 0.99
    assert short.level == pytest.approx(-24, abs=0.05)
    assert [value.shape for value in medium.statistics] == [(1, 3, 1), (1, 2, 1)]
    assert medium.peak == 0.6


def test_what_was_learnt_is_kept_and_a_blend_has_the_mean_of_its_voices(tmp_path: Path) -> None:
    statistics = VoiceStatistics(tmp_path / "statistics")
    learn(statistics, VOICE, 1)
    assert not statistics.knows(OTHER)
    assert statistics.expected([(VOICE, 0.5), (OTHER, 0.5)], 60) is None
    learn(statistics, OTHER, 3)

    again = VoiceStatistics(tmp_path / "statistics")
    alone, blend = again.expected([(VOICE, 1.0)], 60), again.expected([(VOICE, 0.25), (OTHER, 0.75)], 60)

    assert alone is not None
    assert blend is not None
    assert float(alone.statistics[0].mean()) == pytest.approx(1)
    assert float(blend.statistics[0].mean()) == pytest.approx(2.5)
    assert blend.level == pytest.approx(-22.5)
    assert sorted(path.name for path in (tmp_path / "statistics").iterdir()) == ["abc.npz", "def.npz"]


def test_a_voice_is_learnt_again_if_its_file_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learn(VoiceStatistics(tmp_path), VOICE, 1)
    (tmp_path / "abc.npz").write_bytes((tmp_path / "abc.npz").read_bytes()[:200])
    statistics = VoiceStatistics(tmp_path)
    assert not statistics.knows(VOICE)
    assert "is not whole" in caplog.text
    learn(statistics, VOICE, 2)
    assert VoiceStatistics(tmp_path).knows(VOICE)


def test_a_folder_that_cannot_be_written_loses_nothing_but_the_file(tmp_path: Path) -> None:
    (tmp_path / "statistics").write_text("a file where the folder should be")
    statistics = VoiceStatistics(tmp_path / "statistics")
    learn(statistics, VOICE, 1)
    assert statistics.knows(VOICE)


def test_a_sentence_without_sound_has_a_level_all_the_same() -> None:
    assert learnt_of(5, np.zeros(24_000, np.float32), 24_000, values(0)).level == -60


def test_a_slice_begins_with_the_phases_that_the_whole_has_there() -> None:
    harmonics = np.arange(1, 10)
    pitch = np.random.default_rng(0).uniform(0, 400, (1, 1200)).astype(np.float32)
    nothing = np.zeros((1, 1, 1), np.float32)
    decoded = Decoded(nothing, pitch, nothing, nothing)
    np.testing.assert_array_equal(decoded.cycles_before(0), np.zeros((1, 1, 9), np.float32))
    # in the whole, each sample of a frame goes on by as much
    cycles = (pitch[0, :1000, None].astype(np.float64) * harmonics / 24_000).sum(0) * FRAME_SAMPLES
    found = decoded.cycles_before(1000).ravel() * FRAME_SAMPLES
    away = np.abs((found - cycles + 0.5) % 1 - 0.5)
    assert cycles.min() > 1000
    assert away.max() < 1e-5
