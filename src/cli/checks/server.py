"""The server that VOZ_URL names."""

import os
from collections.abc import Iterator

import voz
from src.cli.checks.finding import Finding, note, ok, problem


def server(url: str | None) -> Iterator[Finding]:
    """Whether it answers, is ready, and takes the key."""
    if not url:
        yield ok("server", "VOZ_URL is not set: commands run the models in their own process")
        return
    try:
        with voz.Client(url, os.environ.get("VOZ_API_KEY", ""), timeout=10, retries=0) as client:
            ready = client.ready()
            if ready.ready:
                yield ok("server", f"{url} is ready; storage: {ready.storage}")
            else:
                yield problem("server", f"{url} is not ready: {'; '.join(ready.problems)}", "See its log.")
            for notice in ready.notices:
                yield note("server", notice, "See docs/operations/troubleshoot.md.")
            models = client.models()
            yield ok("server's models", f"{models.stt.model} and {models.tts.engine} on {models.stt.device}")
    except voz.Unauthorized:
        yield problem("server's key", "VOZ_API_KEY is refused", "Take one of the server's API_KEY.")
    except (voz.VozError, ValueError) as error:
        yield problem("server", str(error), "Is VOZ_URL right, and the server started (`voz serve`)?")
