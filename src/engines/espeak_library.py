"""Why a copy of espeak-ng's library cannot be loaded.

Coqui's phonemizer and Kokoro's both load copies from the folder of temporary files, since the library keeps
its state in global variables.
"""

import tempfile


def loading_failed(error: OSError) -> RuntimeError:
    """The error to raise in place of the loader's, which does not name the usual cause."""
    return RuntimeError(
        f"espeak-ng's library cannot be loaded from {tempfile.gettempdir()} ({error}). If that folder is "
        "mounted `noexec`, mount it `exec`, or set TMPDIR to a folder that is not"
    )
