"""Shows what a text is taken for: `python -m src.services.text "Flat 4B, $5/mo" --language en-GB`."""

import argparse

from src.services.text.speech import read, to_speech


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m src.services.text", description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--language", default="en", help="en, es, or a tag such as es-MX")
    parser.add_argument(
        "--dollar", choices=("dollars", "pesos"), default="dollars", help="what $ is in plain es"
    )
    given = parser.parse_args()
    reading = read(given.text, given.language, given.dollar)
    for token in reading.tokens:
        written = reading.text[token.start : token.end]
        print(f"{token.kind:13} {written!r:26} -> {token.spoken.strip()!r:50} ({token.evidence})")
    for piece in to_speech(given.text, given.language, given.dollar):
        print(f"{piece.text}  [{piece.pause} s]")


if __name__ == "__main__":
    main()
