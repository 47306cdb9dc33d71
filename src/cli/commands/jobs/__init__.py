"""`voz jobs`: work that outlives the command. The server keeps it, so there must be one."""

import typer

from src.cli.commands.jobs import cancel, look, result, submit, wait

app = typer.Typer(
    no_args_is_help=True, help="Work that outlives the command: submit it, look, wait, fetch the results."
)
app.command("submit")(submit.submit)
app.command("say")(submit.say)
app.command("list")(look.list_jobs)
app.command("show")(look.show)
app.command("wait")(wait.wait)
app.command("result")(result.result)
app.command("cancel")(cancel.cancel)
