"""The commands, and what happens to the errors of all of them."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import voz
from src.cli import console
from src.cli.commands import doctor, jobs, live, models, say, serve, transcribe, voices
from src.cli.exit_codes import CommandError, ExitCode


class _Reporting(TyperGroup):
    """Says in one line what went wrong, and ends with the exit code for it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            message, code = str(error), error.code
        except (voz.ConnectionFailed, voz.Unauthorized, voz.Forbidden) as error:
            message, code = str(error), ExitCode.NO_SERVER
        except voz.VozError as error:
            message, code = str(error), ExitCode.FAILED
        except BrokenPipeError:
            _forget_output()
            raise typer.Exit(ExitCode.FAILED) from None
        console.say(f"voz: {message}", style="red")
        raise typer.Exit(code)


app = typer.Typer(
    name="voz",
    cls=_Reporting,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Audio to text, and text to audio: on a Voz server (VOZ_URL, VOZ_API_KEY), or in this process.",
    epilog="Exit codes: 0 done, 1 some of it failed, 2 wrong arguments, 3 no server can be used, 130 Ctrl-C.",
)
app.command("transcribe")(transcribe.transcribe)
app.command("say")(say.say)
app.command("live")(live.live)
app.add_typer(jobs.app, name="jobs")
app.command("voices")(voices.voices)
app.command("models")(models.models)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        console.write(f"{voz.__version__}\n")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def run() -> NoReturn:
    """Run a command. SIGTERM ends it as Ctrl-C does, so that nothing half done stays on the disk."""
    terminated = threading.Event()

    def terminate(number: int, frame: FrameType | None) -> None:
        """Do what Ctrl-C does at this moment: asyncio, where it runs, cancels its task."""
        terminated.set()
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # SIGINT is ignored, as in a shell's background job
            raise KeyboardInterrupt
        interrupt(number, frame)

    signal.signal(signal.SIGTERM, terminate)
    try:
        app()
        code: Any = ExitCode.DONE
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if terminated.is_set():
        code = ExitCode.TERMINATED
    elif code == ExitCode.INTERRUPTED:
        console.say("Interrupted.")
    _end(code)


def _forget_output() -> None:
    """The reader has what it wanted: nothing is left to be flushed when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(code: Any) -> NoReturn:
    """End now. Models that are being loaded cannot be interrupted, and Python would wait for them."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        _forget_output()
    from src.cli import in_process

    if in_process.is_running():
        os._exit(code if isinstance(code, int) else ExitCode.FAILED)
    sys.exit(code)
