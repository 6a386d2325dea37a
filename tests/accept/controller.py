"""The controller killed again and again under load: whatever it has acknowledged is there when it is back. (That nothing is
lost with the machine's power either is shown by the store's own tests, on a disk that forgets what was not synced.)"""

import base64
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from accept_context import Outcome

SUMMARY = "the controller killed in a loop while members join"
COMMAND = "./run accept controller"
KILLS, CLIENTS, SEED = 25, 4, 20261121
PATIENCE = 60.0


def encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Controller:
    def __init__(self, program: str, folder: Path):
        self.program, self.folder, self.port = program, folder, free_port()
        address = f"127.0.0.1:{self.port}"
        made = subprocess.run([program, "-o", "json", "init", "edge", "--dir", folder, "--listen", address, "--advertise", address],
                              check=True, capture_output=True, text=True, env={**os.environ, "ENTRESOL_DIR": str(folder)})
        self.config = json.loads(made.stdout)["config"]
        self.bearer = json.loads((folder / "admin.json").read_text())["token"]
        self.tls = ssl._create_unverified_context()
        self.process = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.program, "run", "controller", "-c", self.config], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "/v1")[0] == 200:
                    return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("the controller does not come back: " + (self.folder / "log").read_text()[-500:])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, method: str, target: str, body=None, admin: bool = False):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {self.bearer}"} if admin else {}
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()


class Load:
    """Makes tokens and joins with them; keeps what was acknowledged."""

    def __init__(self, controller: Controller, seed: int):
        self.controller, self.random = controller, random.Random(seed)
        self.members: dict[str, str] = {}  # label: name
        self.used: list[str] = []          # secrets of tokens
        self.revoked: set[str] = set()
        self.lost_answers = 0
        self.stop = False
        self.seed = seed

    def secret(self, token: str) -> str:
        text = token.split(".", 1)[1]
        return encode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[-16:])

    def once(self) -> None:
        status, token = self.controller.ask("POST", "/v1/tokens", {"role": "host"}, admin=True)
        if status != 200:
            return
        label = f"host-{self.seed}-{self.random.getrandbits(48):x}"
        secret = self.secret(token["token"])
        body = {"token": secret, "role": "host", "label": label, "identity": encode(self.random.randbytes(32))}
        status, answer = self.controller.ask("POST", "/v1/join", body)
        if status != 200:
            return
        self.members[label] = answer["member"]["name"]
        self.used.append(secret)
        if self.random.random() < 0.1:
            if self.controller.ask("DELETE", f"/v1/members/{label}", admin=True)[0] == 200:
                self.revoked.add(label)

    def run(self) -> None:
        while not self.stop:
            try:
                self.once()
            except OSError:
                self.lost_answers += 1
                time.sleep(0.005)


def run(context):
    folder = Path(tempfile.mkdtemp(prefix="entresol-accept-"))
    controller = Controller(str(context.need_entresol()), folder / "layer")
    loads = [Load(controller, SEED + number) for number in range(CLIENTS)]
    threads = [threading.Thread(target=load.run, daemon=True) for load in loads]
    chance = random.Random(SEED)
    try:
        controller.start()
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.4))
            controller.kill()
            controller.start()
        for load in loads:
            load.stop = True
        for thread in threads:
            thread.join(PATIENCE)
        yield from look(controller, loads)
    finally:
        if controller.process and controller.process.poll() is None:
            controller.kill()
        shutil.rmtree(folder, ignore_errors=True)


def look(controller, loads):
    listed = {member["label"]: member for member in controller.ask("GET", "/v1/members", admin=True)[1]["members"]}
    joined = {label: name for load in loads for label, name in load.members.items()}
    missing = [label for label, name in joined.items() if listed.get(label, {}).get("name") != name]
    cut = sum(load.lost_answers for load in loads)
    yield Outcome("controller.members", COMMAND, f"{KILLS} kills, seed {SEED}: {len(joined)} members acknowledged, {len(missing)} "
                  f"lost; {cut} requests cut off", bool(joined) and cut > 0 and not missing)
    revoked = set().union(*(load.revoked for load in loads))
    back = [label for label in revoked if not listed.get(label, {}).get("revoked_at")]
    yield Outcome("controller.revocations", COMMAND, f"{len(revoked)} revocations acknowledged, {len(back)} lost",
                  bool(revoked) and not back)
    used = [secret for load in loads for secret in load.used]
    again = 0
    for secret in used:
        body = {"token": secret, "role": "host", "label": f"thief-{again}", "identity": encode(os.urandom(32))}
        again += controller.ask("POST", "/v1/join", body)[0] == 200
    yield Outcome("controller.tokens", COMMAND, f"{len(used)} used tokens, {again} admit somebody else", bool(used) and again == 0)
    addresses = [member["ipv4"] for member in listed.values() if not member["revoked_at"]]
    yield Outcome("controller.addresses", COMMAND, f"{len(addresses)} IPv4 addresses, {len(addresses) - len(set(addresses))} given twice",
                  len(addresses) == len(set(addresses)))
