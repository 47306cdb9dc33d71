"""Hand pip's configuration over to uv, which reads none of it.

A machine that has a package index of its own names it in pip's configuration (a file or PIP_... variables).
"""

import ast
import subprocess
from collections.abc import Mapping, Sequence

_SECTIONS = ("global.", "install.", ":env:.")
"""In pip's order: a later one takes the place of an earlier one."""


def pip_options(pip: Sequence[str]) -> dict[str, str]:
    """What pip would take from its files and the environment: option without dashes in front -> value."""
    found = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True, check=False)
    return parse_options(found.stdout)


def parse_options(listed: str) -> dict[str, str]:
    """Read what `pip config list` writes: lines like `global.index-url='https://...'`."""
    options: dict[str, str] = {}
    for section in _SECTIONS:
        for line in listed.splitlines():
            name, equals, value = line.partition("=")
            if equals and name.startswith(section):
                # `:env:.default-timeout` is `--default-timeout`; names in files may have underscores
                option = name.removeprefix(section).lstrip(".-").replace("_", "-")
                options[option] = str(ast.literal_eval(value))
    return options


def uv_environment(
    options: Mapping[str, str], environment: Mapping[str, str], index: str | None = None
) -> dict[str, str]:
    """Variables that make uv install from where pip would. What is set for uv already is left as it is.

    Args:
        options: of pip, from `pip_options`.
        environment: what uv is run in.
        index: the only index to ask, whatever is configured.
    """
    several = {
        "UV_INDEX": options.get("extra-index-url", "").split(),
        "UV_FIND_LINKS": options.get("find-links", "").split(),
        "UV_INSECURE_HOST": options.get("trusted-host", "").split(),
    }
    wanted = {name: (" " if name != "UV_FIND_LINKS" else ",").join(all_) for name, all_ in several.items()}
    wanted |= {
        "UV_DEFAULT_INDEX": "" if "UV_INDEX_URL" in environment else options.get("index-url", ""),
        "UV_NO_INDEX": "1" if options.get("no-index", "").lower() in {"1", "true", "yes", "on"} else "",
        "UV_HTTP_TIMEOUT": options.get("timeout", options.get("default-timeout", "")),
        "SSL_CERT_FILE": options.get("cert", ""),
        "HTTPS_PROXY": options.get("proxy", ""),
        "HTTP_PROXY": options.get("proxy", ""),
        # pip takes the best version of all indexes, uv by itself the first index that has the package
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    if index is not None:
        wanted |= {"UV_INDEX": "", "UV_FIND_LINKS": "", "UV_DEFAULT_INDEX": index, "UV_NO_INDEX": ""}
    made = {name: value for name, value in wanted.items() if value and name not in environment}
    if index is not None:
        made["UV_DEFAULT_INDEX"] = index
    return made
