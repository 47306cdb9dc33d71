"""What a job's JSON may look like."""

import pytest
from pydantic import ValidationError

from src.api.job_schemas import TranscriptionJobIn


def read(field: str) -> TranscriptionJobIn:
    return TranscriptionJobIn.model_validate_json(
        f'{{"type": "transcription", "key": "a.wav", {field}}}', strict=True
    )


def test_a_whole_number_may_have_a_decimal_point() -> None:
    assert read('"max_line_width": 152.0').max_line_width == 152
    assert read('"beam_size": 3').beam_size == 3
    assert read('"priority": -1.0').priority == -1


@pytest.mark.parametrize(
    "field", ['"priority": 1.5', '"priority": "1"', '"priority": true', '"track": 1e400']
)
def test_what_is_no_whole_number_is_refused(field: str) -> None:
    with pytest.raises(ValidationError):
        read(field)
