"""`make setup`: install the pinned packages into this interpreter's environment, by uv, or else by pip.

    python -m scripts.install REQUIREMENTS LOCK

The versions are those of LOCK. It uses nothing but the standard library: nothing else is installed yet.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.package_index import pip_options, uv_environment
from scripts.torch_build import choose_torch_index
from src.certificates import certificate_variables

_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?(==[^\\\n]+)", re.MULTILINE)
_TORCH = re.compile(r"^torch(?:audio|codec)?==.*", re.MULTILINE)


class Installer:
    """Runs uv; runs pip from the first time on that uv is not to be had or fails."""

    def __init__(self, constraints: Path) -> None:
        self._constraints = str(constraints)
        self._options = pip_options(_PIP)
        self._uv: Path | None = None

    def find_uv(self, pins: Path) -> None:
        """Look for the uv of this environment, and install it if it is not there."""
        uv = Path(sys.executable).with_name("uv")
        if not uv.exists():
            [pin] = re.findall(r"^uv==\S+", pins.read_text(encoding="utf-8"), re.MULTILINE)
            say(f"Installing {pin}, which installs the rest.")
            _succeeds([*_PIP, "install", "--quiet", "--no-deps", "--only-binary", ":all:", pin])
        if uv.exists() and _succeeds([str(uv), "--version"]):
            self._uv = uv
        else:
            say("Installing by pip, which takes longer: uv is not to be had here, or does not run.")

    def install(self, *arguments: str, index: str | None = None) -> bool:
        """Whether it went well.

        Args:
            arguments: as both uv and pip take them.
            index: the only index to ask; those that are configured, if None.
        """
        arguments = (*arguments, "--constraint", self._constraints)
        if self._uv is not None:
            command = [str(self._uv), "pip", "install", "--python", sys.executable]
            # as pip does: else each first import compiles, and warns of what is old in a package
            command += ["--compile-bytecode", *arguments]
            for file in self._options.get("constraint", "").split():
                command += ["--constraint", file]
            if _succeeds(command, uv_environment(self._options, os.environ, index)):
                return True
            if index is not None:
                return False
            self._uv = None
            say("Installing by pip, which takes longer: uv could not (its reason is above).")
        if index is None:
            return _succeeds([*_PIP, "install", *arguments])
        # set and empty, these take the place of what pip's files configure
        alone = {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
        return _succeeds([*_PIP, "install", "--index-url", index, *arguments], alone)


def trusted_certificates(settings: Path) -> Path | None:
    """SSL_CERT_FILE of the environment, or else of `.env`."""
    name = os.environ.get("SSL_CERT_FILE", "")
    if not name and settings.is_file():
        found = re.search(r"^SSL_CERT_FILE=(.+)", settings.read_text(encoding="utf-8"), re.MULTILINE)
        name = found[1].strip() if found else ""
    return Path(name) if name else None


def _succeeds(command: Sequence[str], variables: Mapping[str, str] | None = None) -> bool:
    environment = os.environ | dict(variables or {})
    return subprocess.run(command, env=environment, check=False).returncode == 0


def main(requirements: Path, lock: Path) -> int:
    os.environ.update(certificate_variables(trusted_certificates(Path(".env")), os.environ))
    constraints = Path(sys.prefix) / "constraints.txt"
    constraints.write_text(locked_versions(lock.read_text(encoding="utf-8")), encoding="utf-8")
    installer = Installer(constraints)
    installer.find_uv(Path("requirements-dev.txt"))
    torch = _TORCH.findall(requirements.read_text(encoding="utf-8"))
    if torch:
        index, reason = choose_torch_index(os.environ, Path("Dockerfile"))
        say(reason)
        if index and not installer.install("--no-deps", *torch, index=index):
            say("It could not be installed (the reason is above): taking the ordinary build.")
    return 0 if installer.install("--requirement", str(requirements)) else 1


def locked_versions(lock: str) -> str:
    """The lines of a lock file without hashes: constraints, as uv and pip both take them."""
    return "".join(f"{name}{version.rstrip()}\n" for name, version in _LOCKED.findall(lock))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments(given: Sequence[str]) -> tuple[Path, Path]:
    requirements, lock = map(Path, given)
    return requirements, lock


if __name__ == "__main__":
    sys.exit(main(*_arguments(sys.argv[1:])))
