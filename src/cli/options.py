"""Options that several commands have."""

from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="VOZ_URL",
        help="Address of a server (its key: VOZ_API_KEY). Without one, the models run in this process.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Language = Annotated[
    str | None,
    typer.Option("--language", "-l", help="Such as en, es-MX or Spanish.", show_default=False),
]
