"""A fresh machine: the README's first commands, from a clone, in a tree made by debootstrap with nothing else in it.

The commands are those of the first code block of README.md that has ./run in it; a `git clone` line is done from outside,
as the tree has no git yet. The base tree is made once and kept as build/fresh/base.tar; what a run leaves is removed.
The tree gets the host's way to the Debian archive: its sources, apt's proxy settings, name resolution, certificates.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import ui
from accept_context import Outcome

SUMMARY = "the README's commands work on a fresh Debian 12"
BOOTSTRAP_SECONDS, COMMAND_SECONDS = 1800, 3600
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
             "CURL_CA_BUNDLE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "GOPROXY")
# Makes the tree the root of a mount namespace of its own (a plain chroot fails at `ip netns add`), and runs $2 in $3 there.
ENTER = r"""
set -euo pipefail
tree=$1 command=$2 folder=$3
mount --make-rprivate /
mount --bind "$tree" "$tree"
cd "$tree"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p run/lock
pivot_root . mnt
cd /
umount -l /mnt
cd "$folder"
exec bash -c "$command"
"""


def readme_commands(text: str) -> list[str]:
    """The commands of the first code block with ./run in it, without prompts, comments and what follows a command's #."""
    for block in re.finditer(r"^```(?:sh|bash|shell|console)?\n(.*?)^```|((?:^    [^\n]*\n)+)", text, re.M | re.S):
        lines = [re.sub(r"\s+#.*", "", line).strip().removeprefix("$ ") for line in (block[1] or block[2] or "").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if any("./run" in line for line in lines):
            return lines
    return []


def archive_of(text: str) -> str:
    """The first Debian archive that an apt sources file (either form) names."""
    match = re.search(r"^\s*(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(\S+/debian)/?(?:\s|$)", text, re.M)
    return match[1] if match else ""


def apt_sources() -> dict[str, str]:
    """The host's apt sources that lead to Debian's own archives: name below /etc/apt -> text."""
    found = {}
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in (path for path in places if path.is_file()):
        text = path.read_text()
        if archive_of(text):
            found[str(path.relative_to("/etc/apt"))] = text
    return found


def make_base(context, base: Path) -> str:
    """Makes base, the archive of a bare Debian 12; returns what went wrong."""
    bare = context.scratch / "bare"
    shutil.rmtree(bare, ignore_errors=True)
    mirror = next((archive_of(text) for text in apt_sources().values()), "")
    ran = context.run(["debootstrap", "bookworm", bare, *([mirror] if mirror else [])], timeout=BOOTSTRAP_SECONDS, name="debootstrap")
    if ran.code != 0:
        return f"debootstrap ended with {ran.code}, see {ran.log}"
    partial = base.with_suffix(".part")
    base.parent.mkdir(parents=True, exist_ok=True)
    packed = context.run(["tar", "-C", bare, "--one-file-system", "-cf", partial, "."], timeout=600, name="pack")
    shutil.rmtree(bare, ignore_errors=True)
    if packed.code != 0:
        return f"tar ended with {packed.code}, see {packed.log}"
    partial.rename(base)
    return ""


def connect(tree: Path) -> None:
    """Gives the tree the host's way to the Debian archive."""
    sources = apt_sources()
    if sources:
        (tree / "etc/apt/sources.list").unlink(missing_ok=True)
    for name, text in sources.items():
        (tree / "etc/apt" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "etc/apt" / name).write_text(text)
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    network = [line for line in settings.splitlines() if re.match(r"Acquire::(https?|ftp)::", line)]
    (tree / "etc/apt/apt.conf.d/90network").write_text("\n".join(network) + "\n")
    for name in ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
        if (Path("/") / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).unlink(missing_ok=True)
            shutil.copyfile(Path("/") / name, tree / name)
    extra = Path("/usr/local/share/ca-certificates")
    if extra.is_dir():
        shutil.copytree(extra, tree / "usr/local/share/ca-certificates", dirs_exist_ok=True)


def missing(context, commands: list[str]) -> str:
    if os.geteuid() != 0:
        return "needs root for mounts"
    if not commands:
        return "README.md has no code block with ./run"
    head = subprocess.run(["git", "-C", context.root, "rev-parse", "--verify", "-q", "HEAD"], capture_output=True)
    return "" if head.returncode == 0 else "nothing is committed yet: there is no HEAD to clone"


def run(context):
    readme = context.root / "README.md"
    commands = readme_commands(readme.read_text()) if readme.exists() else []
    if lacks := missing(context, commands):
        yield Outcome("fresh.ready", "./run accept fresh", lacks, False)
        return
    base, tree = ui.BUILD / "fresh" / "base.tar", ui.BUILD / "fresh" / "tree"
    if not base.exists() and (wrong := make_base(context, base)):
        yield Outcome("fresh.bootstrap", "debootstrap bookworm", wrong, False)
        return
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    try:
        unpacked = context.run(["tar", "-C", tree, "-xf", base], timeout=600, name="unpack")
        cloned = context.run(["git", "clone", "-q", "--no-hardlinks", context.root, tree / "home/entresol"], timeout=120, name="clone")
        yield Outcome("fresh.clone", "git clone", f"exit codes {unpacked.code}, {cloned.code}", unpacked.code == cloned.code == 0)
        connect(tree)
        yield from run_commands(context, tree, commands)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def run_commands(context, tree: Path, commands: list[str]):
    environment = {"HOME": "/root", "TERM": "dumb", "LANG": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                   **{key: os.environ[key] for key in PASSED_ON if key in os.environ}}
    folder = "/home/entresol"
    for number, command in enumerate(commands, 1):
        # The clone is already there, and `cd` is where we are: what is left is what a reader waits for.
        command = re.sub(r"^git clone\s[^&;]*(&&|;)?\s*", "", command)
        command = re.sub(r"^cd\s[^&;]*(&&|;)?\s*", "", command)
        if not command:
            continue
        ran = context.run(["env", "-i", *(f"{key}={value}" for key, value in environment.items()),
                           "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
                           "bash", "-c", ENTER, "enter", tree, command, folder], timeout=COMMAND_SECONDS, name=f"command-{number}")
        last = [line for line in ran.output.splitlines() if line.strip()][-1:]
        yield Outcome(f"fresh.command-{number}", command, f"exit code {ran.code} after {ran.seconds:.0f} s; {''.join(last)[:160]}",
                      ran.code == 0)
