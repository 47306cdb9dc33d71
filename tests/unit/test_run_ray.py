"""`make run-ray`: what its options take, and the address that it prints."""

import pytest

from scripts.run_ray import main
from src.cli.commands.serve import local_url


@pytest.mark.parametrize("option", ["--replicas", "--threads", "--http-processes"])
@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_a_number_that_makes_no_sense_is_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={value}"])
    assert ended.value.code == 2
    assert f"{option}: must be a whole number above 0, not {value}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fe80::1", "http://[fe80::1]:8000"),
        ("voz.example.com", "http://voz.example.com:8000"),
    ],
)
def test_the_address_printed_can_be_reached(host: str, url: str) -> None:
    assert local_url(host, 8000) == url
