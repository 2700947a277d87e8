"""A running installation, as its users see it: the command line, the API, the mailbox, the processes.
SPDX-License-Identifier: Apache-2.0"""
import json, os, re, shutil, signal, subprocess, tempfile, time, urllib.error, urllib.request, uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.environ["COUNTERSIGN_RUN"]
REAL_PE = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"


def read_env(path):
    """The export lines of a file, as the shell sees them."""
    out = subprocess.run(["bash", "-c", f". '{path}' && env -0"], capture_output=True, check=True).stdout
    return dict(kv.split("=", 1) for kv in out.decode().split("\0") if "=" in kv)


ENV = read_env(f"{RUN}/env")
STACK = read_env(f"{RUN}/stack/stack.env")
URL = ENV["COUNTERSIGN_URL"]
ORG = ENV["COUNTERSIGN_ORGANIZATION_ID"]
API = f"{URL}/Api/v1/{ORG}"
TMP = tempfile.mkdtemp(prefix="countersign-e2e-")


def fail(text):
    raise AssertionError(text)


def check(condition, text):
    if not condition:
        fail(text)


def wait_until(what, seconds, ask):
    """Asks until the answer is true; the last answer is returned."""
    end = time.monotonic() + seconds
    while True:
        got = ask()
        if got:
            return got
        if time.monotonic() > end:
            fail(f"{what}: not within {seconds} s (last answer: {got!r})")
        time.sleep(0.1)


def cli(*args, code=0, token=None):
    env = dict(ENV, **({"COUNTERSIGN_TOKEN": token} if token else {}))
    p = subprocess.run([f"{ENV['COUNTERSIGN_BIN']}/countersign", *args], capture_output=True, text=True, env=env, timeout=280)
    if code is not None:
        check(p.returncode == code, f"countersign {' '.join(args)}: exit {p.returncode}, expected {code}\n{p.stdout}{p.stderr}")
    return p


def http(method, url, body=None, headers=None, token=ENV["COUNTERSIGN_TOKEN"], timeout=60):
    """(status, headers, bytes); a refusal is an answer, not an exception."""
    h = dict(headers or {})
    if token:
        h.setdefault("Authorization", f"Bearer {token}")
    data = body
    if isinstance(body, (dict, list)):
        data = json.dumps(body).encode()
        h.setdefault("Content-Type", "application/json")
    try:
        r = urllib.request.urlopen(urllib.request.Request(url, data, h, method=method), timeout=timeout)
        return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def multipart(fields, files, boundary="b-" + uuid.uuid4().hex):
    out = b""
    for name, value in fields:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, file_name, content in files:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'.encode()
        out += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def post_file(content, policy="test-signing", name="hello.exe", headers=None, extra=(), files=None, **kw):
    body, h = multipart([("ProjectSlug", "hello"), ("SigningPolicySlug", policy), *extra], files if files is not None else [("Artifact", name, content)])
    return http("POST", f"{API}/SigningRequests", body, dict(h, **(headers or {})), **kw)


def submit(content, policy="test-signing", **kw):
    status, headers, body = post_file(content, policy, **kw)
    check(status == 201, f"submit: {status} {body.decode(errors='replace')}")
    return json.loads(body)["signingRequestId"]


def status_of(request):
    status, _, body = http("GET", f"{API}/SigningRequests/{request}")
    check(status == 200, f"status of {request}: {status} {body.decode(errors='replace')}")
    return json.loads(body)


def wait_final(request, seconds=60, expect=None):
    s = wait_until(f"end of {request}", seconds, lambda: (lambda j: j if j["isFinalStatus"] else None)(status_of(request)))
    if expect:
        check(s["status"] == expect, f"{request} is {s['status']}, expected {expect}: {s.get('failure')}")
    return s


def wait_workflow(request, workflow, seconds=60):
    return wait_until(f"{request} {workflow}", seconds, lambda: (lambda j: j if j["workflowStatus"] == workflow else None)(status_of(request)))


def unique_pe(n=0):
    """A real executable with a different overlay each time, so that no two requests are the same."""
    with open(REAL_PE, "rb") as f:
        return f.read() + uuid.uuid4().bytes + bytes(n)


def download(request):
    status, _, body = http("GET", f"{API}/SigningRequests/{request}/SignedArtifact")
    check(status == 200, f"download of {request}: {status} {body[:300]!r}")
    return body


def osslsigncode_accepts(content):
    path = f"{TMP}/{uuid.uuid4().hex}.exe"
    with open(path, "wb") as f:
        f.write(content)
    p = subprocess.run(["osslsigncode", "verify", "-CAfile", ENV["COUNTERSIGN_CA_FILE"], "-TSA-CAfile", ENV["COUNTERSIGN_TSA_CA_FILE"], "-in", path], capture_output=True, text=True)
    check(p.returncode == 0 and "Timestamp Server Signature verification: ok" in p.stdout, p.stdout[-2000:] + p.stderr[-500:])
    return p.stdout


# --- mail -----------------------------------------------------------------------------------------------------------------


def mails(request, to=None):
    with urllib.request.urlopen(f"{ENV['COUNTERSIGN_MAIL_URL']}/api/email", timeout=10) as r:
        everything = json.load(r)
    return [m for m in everything if f"Request: {request}" in (m.get("text") or "") and (to is None or any(a["address"] == to for a in m["to"]))]


class Invitation:
    def __init__(self, mail):
        text = mail["text"].replace("\r", "")
        self.token = re.search(r"^Link: \S+#(\S+)$", text, re.M).group(1)
        self.approve = re.search(r"^Code to approve: (\S+)$", text, re.M).group(1)
        self.deny = re.search(r"^Code to deny: (\S+)$", text, re.M).group(1)


def invitation(request, to, seconds=60, newer_than=0):
    def ask():
        found = [m for m in mails(request, to) if "Code to approve" in m["text"]]
        return found[-1] if len(found) > newer_than else None
    return Invitation(wait_until(f"approval mail to {to}", seconds, ask))


def decide(token, code, **more):
    status, _, body = http("POST", f"{URL}/Api/v1/Decisions", {"token": token, "code": code, **more}, token=None)
    return status, json.loads(body)


# --- processes --------------------------------------------------------------------------------------------------------------


def pid(name):
    with open(f"{RUN}/pids/{name}") as f:
        return int(f.read())


def gone(process):
    try:
        with open(f"/proc/{process}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def kill_9(name):
    process = pid(name)
    os.kill(process, signal.SIGKILL)
    wait_until(f"{name} is dead", 20, lambda: gone(process))


def start(name):
    subprocess.run([f"{ROOT}/quickstart", "start", name], check=True, capture_output=True, timeout=120)


def stop(name):
    subprocess.run([f"{ROOT}/quickstart", "stop", name], check=True, capture_output=True, timeout=120)


def stack(verb, part):
    env = dict(os.environ, COUNTERSIGN_BIN=ENV["COUNTERSIGN_BIN"])
    subprocess.run([f"{ROOT}/deploy/dev/stack", verb, f"{RUN}/stack", part], check=True, capture_output=True, timeout=120, env=env)


def ready(name):
    port = re.search(rf"^health_{name}=(\d+)$", open(f"{RUN}/stack/ports").read(), re.M).group(1)
    return http("GET", f"http://127.0.0.1:{port}/readyz", token=None)


def apply(change):
    """Configuration as code: the quickstart's organisation, changed by a function of its text."""
    with open(f"{ROOT}/deploy/quickstart/organization.yaml") as f:
        text = change(f.read())
    path = f"{TMP}/organization.yaml"
    with open(path, "w") as f:
        f.write(text)
    return cli("config", "apply", path, "--tokens-directory", f"{RUN}/tokens", token=ENV["COUNTERSIGN_ADMIN_TOKEN"])


def clean_up():
    shutil.rmtree(TMP, ignore_errors=True)
