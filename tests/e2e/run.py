#!/usr/bin/env python3
"""End-to-end scenarios: run.py NAME. Each is one promise to a user, tried on everything that is real.
SPDX-License-Identifier: Apache-2.0"""
import hashlib, json, os, re, shutil, socket, struct, subprocess, sys, time, urllib.parse

from http.client import HTTPConnection

from world import *


def signs_a_real_file():
    before = open(REAL_PE, "rb").read()
    out = f"{TMP}/signed.efi"
    cli("submit", REAL_PE, "--policy", "test-signing", "--idempotency-key", uuid.uuid4().hex, "-o", out)
    after = open(out, "rb").read()
    osslsigncode_accepts(after)
    # Only checksum, certificate directory and the certificate table differ from what was submitted.
    pe = struct.unpack_from("<I", before, 0x3C)[0]
    optional = pe + 24
    directory = optional + (112 if struct.unpack_from("<H", before, optional)[0] == 0x20B else 96) + 4 * 8
    allowed = set(range(optional + 64, optional + 68)) | set(range(directory, directory + 8))
    changed = {i for i in range(len(before)) if before[i] != after[i]}
    check(changed <= allowed, f"bytes changed outside of the signature: {sorted(changed - allowed)[:10]}")
    at, size = struct.unpack_from("<II", after, directory)
    check(at == (len(before) + 7) // 8 * 8 and at + size == len(after), "the certificate table is not the end of the file")
    check(not any(after[len(before):at]), "the padding before the table is not zero")


def approves_by_mail():
    r = submit(unique_pe(), "release-signing")
    alice = invitation(r, "alice@example.com")
    bob = invitation(r, "bob@example.com")
    check(not mails(r, "ada@example.com") or "Code to approve" not in mails(r, "ada@example.com")[0]["text"], "the responsible person was invited")
    wrong = "0000-0000"
    status, body = decide(alice.token, wrong)
    check(status == 403 and body["triesLeft"] == 4, f"wrong code: {status} {body}")
    status, body = decide(alice.token, bob.approve)
    check(status == 403 and body["triesLeft"] == 3, f"somebody else's code: {status} {body}")
    check(wait_workflow(r, "WaitingForApproval"), "a wrong code decided")
    status, body = decide(alice.token, alice.deny, dryRun=True)
    check(status == 200 and body == {"codeMeaning": "deny"}, f"dry run: {status} {body}")
    check(status_of(r)["status"] == "WaitingForApproval", "a dry run decided")
    status, body = decide(alice.token, alice.approve.lower().replace("-", " "), comment="looks right")
    check(status == 200 and body["decision"] == "approve", f"approval: {status} {body}")
    s = wait_final(r, expect="Completed")
    check(s["approvals"]["required"] == 1 and len(s["approvals"]["given"]) == 1, s["approvals"])
    osslsigncode_accepts(download(r))
    for token, code in ((alice.token, alice.approve), (alice.token, alice.deny), (bob.token, bob.deny)):
        status, body = decide(token, code)
        check(status == 409, f"a decision after the end: {status} {body}")
    check(status_of(r)["status"] == "Completed", "a late decision changed the request")
    wait_until("mail about the signature", 30, lambda: any("signed" in m["subject"].lower() for m in mails(r, "ada@example.com")))


def denies_by_mail():
    r = submit(unique_pe(), "two-person-signing")
    alice, bob = invitation(r, "alice@example.com"), invitation(r, "bob@example.com")
    status, body = decide(alice.token, alice.approve)
    check(status == 200 and body["status"] == "WaitingForApproval", f"first approval: {status} {body}")
    status, body = decide(bob.token, bob.deny, comment="not this one")
    check(status == 200 and body == {"signingRequestId": r, "decision": "deny", "status": "Denied"}, f"denial: {status} {body}")
    check(wait_final(r)["status"] == "Denied", "one denial must end it")
    cli("wait", r, code=3)
    status, _, body = http("GET", f"{API}/SigningRequests/{r}/SignedArtifact")
    check(status == 400, f"a denied request has a signed artifact: {status}")


def needs_two_people():
    r = submit(unique_pe(), "two-person-signing")
    alice, carol = invitation(r, "alice@example.com"), invitation(r, "carol@example.com")
    check(decide(alice.token, alice.approve)[0] == 200, "first approval")
    status, body = decide(alice.token, alice.approve)
    check(status == 409, f"the same person twice: {status} {body}")
    check(status_of(r)["status"] == "WaitingForApproval", "one person was enough")
    status, _, body = http("POST", f"{API}/SigningRequests/{r}/Approve", {})
    check(status == 403, f"a CI user approved: {status} {body!r}")
    alice_token = open(f"{RUN}/tokens/alice.token").read().strip()
    status, _, body = http("POST", f"{API}/SigningRequests/{r}/Approve", {}, token=alice_token)
    check(status in (403, 409), f"a session approved where the policy wants e-mail tokens: {status} {body!r}")
    check(decide(carol.token, carol.approve)[0] == 200, "second approval")
    wait_final(r, expect="Completed")
    osslsigncode_accepts(download(r))


def cancels():
    r = submit(unique_pe(), "release-signing")
    alice = invitation(r, "alice@example.com")
    cli("cancel", r, "--comment", "wrong build")
    check(wait_final(r)["status"] == "Canceled", "not canceled")
    status, body = decide(alice.token, alice.approve)
    check(status == 409, f"decided after the cancellation: {status} {body}")
    status, _, body = http("POST", f"{API}/SigningRequests/{r}/Cancel", {})
    check(status == 409, f"canceled twice: {status} {body!r}")


def expires():
    apply(lambda t: t.rstrip() + "\n        - {slug: short, name: Short, certificate: release, quorum: 1, approvers: [alice, bob], submitters: [ci], approval-time: 4s}\n")
    r = submit(unique_pe(), "short")
    alice = invitation(r, "alice@example.com")
    s = wait_final(r, 60)
    check(s["status"] == "Canceled" and s["failure"]["code"] == "approval.deadline", s)
    status, body = decide(alice.token, alice.approve)
    check(status in (409, 410), f"decided after the end: {status} {body}")
    check(status_of(r)["status"] == "Canceled", "a late approval revived the request")


def asks_again_when_the_policy_changes():
    r = submit(unique_pe(), "release-signing")
    first = invitation(r, "alice@example.com")
    apply(lambda t: t.replace("name: Release signing,", "name: Release signing (changed),"))
    second = invitation(r, "alice@example.com", newer_than=1)
    check(second.token != first.token, "the second mail carries the first one's token")
    status, body = decide(first.token, first.approve)
    check(status == 409, f"an approval under the old revision: {status} {body}")
    check(decide(second.token, second.approve)[0] == 200, "approval under the new revision")
    wait_final(r, expect="Completed")
    apply(lambda t: t)


def verify_hash(certificate, content, signature, pss=False):
    for name, data in (("content", content), ("signature", signature)):
        open(f"{TMP}/{name}", "wb").write(data)
    pub = subprocess.run(["openssl", "x509", "-in", f"{RUN}/certificates/{certificate}.pem", "-pubkey", "-noout"], capture_output=True, check=True).stdout
    open(f"{TMP}/pub", "wb").write(pub)
    extra = ["-sigopt", "rsa_padding_mode:pss"] if pss else []
    p = subprocess.run(["openssl", "dgst", "-sha256", "-verify", f"{TMP}/pub", *extra, "-signature", f"{TMP}/signature", f"{TMP}/content"], capture_output=True, text=True)
    check(p.returncode == 0, p.stdout + p.stderr)


def signs_hashes():
    import base64
    content = uuid.uuid4().bytes
    digest = hashlib.sha256(content).digest()
    payload = {"SignatureAlgorithm": "RsaPkcs1", "RsaHashAlgorithm": "2.16.840.1.101.3.4.2.1", "Base64EncodedHash": base64.b64encode(digest).decode(), "Metadata": {"a": "b"}}
    # As clients do it: a fast request whose artifact is payload.json.
    status, _, body = post_file(json.dumps(payload).encode(), "test-signing", name="payload.json", extra=[("IsFastSigningRequest", "true")])
    check(status == 200, f"fast hash: {status} {body!r}")
    verify_hash("test-rsa", content, base64.b64decode(json.loads(body)["Signature"]))
    for policy, certificate, more, pss in (("test-signing", "test-rsa", {"SignatureAlgorithm": "RsaPss"}, True),
                                           ("test-signing-p256", "test-p256", {"SignatureAlgorithm": "Ecdsa", "EcdsaSignatureFormat": "Asn1"}, False)):
        status, _, body = http("POST", f"{API}/SigningRequests/SignHash", {**payload, **more, "ProjectSlug": "hello", "SigningPolicySlug": policy})
        check(status == 200, f"{policy}: {status} {body!r}")
        verify_hash(certificate, content, base64.b64decode(json.loads(body)["signature"]), pss)
    status, _, body = http("POST", f"{API}/SigningRequests/SignHash", {**payload, "ProjectSlug": "hello", "SigningPolicySlug": "release-signing"})
    check(status == 400, f"a hash under a policy with approval: {status} {body!r}")
    status, _, body = http("POST", f"{API}/SigningRequests/SignHash", {**payload, "SignatureAlgorithm": "Ecdsa", "ProjectSlug": "hello", "SigningPolicySlug": "test-signing"})
    check(status == 400, f"Ecdsa with an RSA key: {status} {body!r}")
    status, _, body = http("GET", f"{API}/Cryptoki/MySigningPolicies?projectSlug=hello&signingPolicySlug=test-signing")
    policies = json.loads(body)["signingPolicies"]
    check(status == 200 and len(policies) == 1 and policies[0]["keyType"] == "RSA" and policies[0]["keySizeInBits"] == 3072, policies)


def signs_an_msi_with_jsign():
    """A stock client: jsign writes the MSI's signature itself and has only the hash signed, through its SignPath service."""
    libs = f"{os.environ['COUNTERSIGN_DEPS']}/jsign"
    if not os.path.isdir(libs):
        subprocess.run(["mvn", "-q", "-B", "-f", f"{ROOT}/tests/e2e/jsign/pom.xml", f"-DoutputDirectory={libs}", "dependency:copy-dependencies"], check=True, timeout=280)
    msi, wxs = f"{TMP}/hello.msi", f"{TMP}/hello.wxs"
    with open(wxs, "w") as f:
        f.write("""<?xml version="1.0"?><Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Product Id="*" Name="Hello" Language="1033" Version="1.0.0"
          Manufacturer="Hello" UpgradeCode="E0E4C1B2-7C1A-4B7B-9B0B-1B2B3B4B5B6B"><Package InstallerVersion="200" Compressed="yes"/><Media Id="1" Cabinet="a.cab" EmbedCab="yes"/>
          <Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder"><Directory Id="D" Name="Hello"><Component Id="C" Guid="E0E4C1B2-7C1A-4B7B-9B0B-1B2B3B4B5B6C">
          <File Id="F" Name="hello.wxs" Source="hello.wxs"/></Component></Directory></Directory></Directory><Feature Id="Fe" Level="1"><ComponentRef Id="C"/></Feature></Product></Wix>""")
    subprocess.run(["wixl", "-o", msi, wxs], check=True, cwd=TMP)
    subprocess.run(["javac", "-cp", f"{libs}/*", "-d", TMP, f"{ROOT}/tests/e2e/jsign/Driver.java"], check=True)
    p = subprocess.run(["java", "-cp", f"{libs}/*:{TMP}", "net.jsign.jca.Driver", f"{URL}/Api/v1", ORG, ENV["COUNTERSIGN_TOKEN"], "hello/test-signing", msi], capture_output=True, text=True)
    check(p.returncode == 0, p.stdout + p.stderr)
    p = subprocess.run(["osslsigncode", "verify", "-CAfile", ENV["COUNTERSIGN_CA_FILE"], "-in", msi], capture_output=True, text=True)
    check(p.returncode == 0 and "Signature verification: ok" in p.stdout, p.stdout + p.stderr)


def swap(request_content, at, what):
    """Writes other bytes over the submitted artifact's blob while approval is waited for."""
    digest = hashlib.sha256(request_content).hexdigest()
    for d, _, fs in os.walk(f"{RUN}/blobs"):
        for f in fs:
            if f == digest:
                path = os.path.join(d, f)
                os.chmod(path, 0o644)
                with open(path, "r+b") as h:
                    h.seek(at)
                    h.write(what)
                return
    fail("the artifact's blob was not found")


def refuses_a_swapped_artifact():
    """Whoever can write the artifact store cannot have something else signed than what was approved."""
    checksum = struct.unpack_from("<I", unique_pe(), 0x3C)[0] + 24 + 64  # not covered by the format's digest
    for at in (0x400, checksum):
        content = unique_pe()
        r = submit(content, "release-signing")
        alice = invitation(r, "alice@example.com")
        swap(content, at, b"evil")
        check(decide(alice.token, alice.approve)[0] == 200, "approval")
        s = wait_final(r)
        check(s["status"] == "Failed" and s["failure"]["code"] == "keyd.digest", s)
        check(http("GET", f"{API}/SigningRequests/{r}/SignedArtifact")[0] == 400, "a changed artifact was signed")


def sql(statement):
    subprocess.run(["mariadb", "--no-defaults", "-uroot", f"--socket={STACK['COUNTERSIGN_MARIADB_SOCKET']}", "countersign", "-e", statement], check=True, capture_output=True)


def redirects_no_mail():
    """Whoever can write the database cannot send himself an approver's codes."""
    sql("UPDATE users_private SET email='mallory@example.com' WHERE email='bob@example.com'")
    try:
        r = submit(unique_pe(), "release-signing")
        invitation(r, "alice@example.com")
        wait_until("the refusal is logged", 30, lambda: f"request={r} kind=approval code=notifier.other_address" in open(f"{RUN}/logs/notifier.log").read())
        check(not mails(r, "mallory@example.com"), "the codes went to another address")
    finally:
        sql("UPDATE users_private SET email='bob@example.com' WHERE email='mallory@example.com'")
    cli("cancel", r)


def voids_an_invitation_after_five_wrong_codes():
    r = submit(unique_pe(), "release-signing")
    alice = invitation(r, "alice@example.com")
    for left in (4, 3, 2, 1, 0):
        status, body = decide(alice.token, "0000-0000")
        check(status == 403 and body["triesLeft"] == left, f"{left} left: {status} {body}")
    status, body = decide(alice.token, alice.approve)
    check(status == 409, f"the right code after five wrong ones: {status} {body}")
    second = invitation(r, "alice@example.com", newer_than=1)
    check(second.approve != alice.approve and decide(second.token, second.approve)[0] == 200, "the new invitation")
    wait_final(r, expect="Completed")


def browser(*args):
    """The decision page in Chromium, served by the real gateway; what it shows at the end."""
    p = subprocess.run(["node", f"{ROOT}/web/tests/real.mjs", *args], capture_output=True, text=True, timeout=120, cwd=f"{ROOT}/web")
    check(p.returncode == 0, p.stdout + p.stderr)
    return p.stdout


def decides_in_a_browser():
    r = submit(unique_pe(), "release-signing", extra=[("Description", "Seen in a browser"), ("Origin.RepositoryData.CommitId", "0f3c1d2e")])
    alice = invitation(r, "alice@example.com")
    shown = browser("decide", f"{URL}/decide#{alice.token}", alice.approve, f"{RUN}/decision-page.png")
    check("You approved this request" in shown and "Seen in a browser" in shown, shown)
    wait_final(r, expect="Completed")
    r = submit(unique_pe(), "release-signing")
    bob = invitation(r, "bob@example.com")
    shown = browser("phone", f"{URL}/decide#{bob.token}", bob.deny, f"{RUN}/decision-page-phone.png")
    check("You denied this request" in shown, shown)
    check(wait_final(r)["status"] == "Denied", "the page's denial did not count")


def decides_nothing_for_a_scanner():
    """A mail gateway that follows every link of every part of the mail, runs the scripts, types, clicks and submits whatever is there."""
    r = submit(unique_pe(), "two-person-signing")
    invited = {who: invitation(r, f"{who}@example.com") for who in ("alice", "bob")}
    parts = "".join(m["text"] + m["html"] for who in invited for m in mails(r, f"{who}@example.com"))
    links = set(re.findall(r"https?://[^\s\"'<>]+", parts))
    check(any("/decide#" in link for link in links), f"no link in the mails: {links}")
    for link in links:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            http(method, link.split("#")[0] if "#" in link else link, b"" if method in ("POST", "PUT") else None, token=None)
    for method in ("GET", "HEAD"):
        for token in (i.token for i in invited.values()):
            for path in ("Decisions", "Decisions/Preview"):
                status, _, _ = http(method, f"{URL}/Api/v1/{path}?token={token}&code={invited['alice'].approve}", token=None)
                check(status in (404, 405), f"{method} {path}: {status}")
    browser("scan", f"{URL}/decide#{invited['alice'].token}")
    browser("scan", f"{URL}/decide#{invited['bob'].token}", "12345678")
    s = status_of(r)
    check(s["status"] == "WaitingForApproval" and not s["approvals"]["given"], f"a scanner decided: {s}")
    check(decide(invited["alice"].token, invited["alice"].approve)[0] == 200, "the invitation does not work after the scanner")
    check(decide(invited["bob"].token, invited["bob"].deny)[0] == 200, "the invitation does not work after two wrong codes of the scanner")
    check(wait_final(r)["status"] == "Denied", "denial")


def purges_old_artifacts():
    old = submit(unique_pe())
    wait_final(old, expect="Completed")
    time.sleep(1.1)  # it has to be older than the shortest retention there is
    p = subprocess.run([f"{ENV['COUNTERSIGN_BIN']}/countersign-gateway", "--config", f"{RUN}/config/gateway.yaml", "--retention.artifacts=1s", "purge"], capture_output=True, text=True)
    check(p.returncode == 0 and "are gone" in p.stdout, p.stdout + p.stderr)
    for what in ("SignedArtifact", "UnsignedArtifact"):
        status, _, body = http("GET", f"{API}/SigningRequests/{old}/{what}")
        check(status == 410, f"{what} after the purge: {status} {body[:200]!r}")
    check(status_of(old)["status"] == "Completed", "the request was forgotten with its artifact")
    check(cli("audit", "verify", code=None).returncode == 0, "the log does not verify after a purge")


def revokes_a_token():
    token = open(f"{RUN}/tokens/alice.token").read().strip()
    check(http("GET", f"{API}/SigningRequests", token=token)[0] == 200, "the token must work first")
    apply(lambda t: t.replace("{user: alice, name: alice}", "{user: alice, name: alice, revoked: true}"))
    check(http("GET", f"{API}/SigningRequests", token=token)[0] == 401, "a revoked token works")
    apply(lambda t: t)


def signs_with_software_keys():
    """keyd's second backend: encrypted key files, for trials."""
    keys = [f"{ENV['COUNTERSIGN_BIN']}/countersign-keys", f"--softkeys.directory={RUN}/softkeys", f"--softkeys.passphrase_file={RUN}/softkeys.secret", "--label=soft"]
    certificates = f"{RUN}/certificates"
    with open(f"{RUN}/softkeys.secret", "w") as f:
        f.write("correct horse battery staple\n")
    if not os.path.exists(f"{certificates}/soft.pem"):
        subprocess.run([*keys, "generate"], check=True, capture_output=True)
        subprocess.run([*keys, "--subject=CN=Hello Software (soft),C=AT", f"--out={certificates}/soft.csr", "csr"], check=True, capture_output=True)
        leaf = subprocess.run(["openssl", "x509", "-req", "-in", f"{certificates}/soft.csr", "-CA", f"{certificates}/ca.pem", "-CAkey", f"{certificates}/ca.key", "-CAcreateserial",
                               "-days", "100", "-extfile", f"{certificates}/ext"], check=True, capture_output=True).stdout
        with open(f"{certificates}/soft.pem", "wb") as f:
            f.write(leaf + open(f"{certificates}/ca.pem", "rb").read())
        cli("trust", "floor", "--directory", f"{RUN}/trust", "--certificate", f"{certificates}/soft.pem", "--organization", "hello", "--quorum", "0", "--assurance", "none", "--hashes", "allow", "--administrator-signatures", "0")
    apply(lambda t: t.replace("  projects:\n", '    - {slug: soft, name: Soft, key: soft, chain: "${COUNTERSIGN_CERTIFICATES}/soft.pem"}\n\n  projects:\n').rstrip()
          + "\n        - {slug: soft-signing, name: Soft, certificate: soft, quorum: 0, submitters: [ci]}\n")
    config = "".join(line for line in open(f"{RUN}/config/signer.yaml") if not line.startswith(("pkcs11.", "health.")))
    with open(f"{TMP}/soft.yaml", "w") as f:
        f.write(config + f"softkeys.directory: {RUN}/softkeys\nsoftkeys.passphrase_file: {RUN}/softkeys.secret\n")
    stop("signer")
    p = subprocess.Popen([f"{ENV['COUNTERSIGN_BIN']}/countersign-signer", "--config", f"{TMP}/soft.yaml"], stderr=open(f"{RUN}/logs/soft-signer.log", "a"))
    try:
        r = submit(unique_pe(), "soft-signing")
        wait_final(r, 60, expect="Completed")
        osslsigncode_accepts(download(r))
    finally:
        p.terminate()
        p.wait(60)
        start("signer")
    check("BEGIN ENCRYPTED PRIVATE KEY" in open(f"{RUN}/softkeys/soft.pem").read(), "the key file is not encrypted")


def finds_a_repeat():
    content = unique_pe()
    first = submit(content)
    check(submit(content) == first, "the same submission without a key made a second request")
    key = {"Idempotency-Key": uuid.uuid4().hex}
    second = submit(unique_pe(), headers=key)
    status, _, body = post_file(unique_pe(), headers=key)
    check(status == 422, f"another body under the same Idempotency-Key: {status} {body!r}")
    check(second != first, "another submission found the first")
    wait_final(first, expect="Completed")
    wait_final(second, expect="Completed")


def refuses_bad_requests():
    pe = unique_pe()
    slugs = [("ProjectSlug", "hello"), ("SigningPolicySlug", "test-signing")]
    some_id = str(uuid.uuid4())
    cases = [
        ("no token", 401, dict(fields=slugs, token=None)),
        ("wrong token", 401, dict(fields=slugs, token="cst_wrong")),
        ("unknown project", 403, dict(fields=[("ProjectSlug", "nope"), slugs[1]])),
        ("unknown policy", 403, dict(fields=[slugs[0], ("SigningPolicySlug", "nope")])),
        ("unknown configuration", 403, dict(fields=slugs + [("ArtifactConfigurationSlug", "nope")])),
        ("no project", 400, dict(fields=[slugs[1]])),
        ("slug and id mixed", 400, dict(fields=slugs + [("SigningPolicyId", some_id)])),
        ("wrong part name", 400, dict(fields=slugs, files=[("Artefact", "a.exe", pe)])),
        ("two artifacts", 400, dict(fields=slugs, files=[("Artifact", "a.exe", pe), ("Artifact", "b.exe", pe)])),
        ("no file", 400, dict(fields=slugs, files=[])),
        ("unknown field", 400, dict(fields=slugs + [("Nonsense", "x")])),
    ]
    for name, want, case in cases:
        body, h = multipart(case["fields"], case.get("files", [("Artifact", "a.exe", pe)]))
        status, headers, answer = http("POST", f"{API}/SigningRequests", body, h, token=case.get("token", ENV["COUNTERSIGN_TOKEN"]))
        check(status == want, f"{name}: {status}, expected {want}: {answer!r}")
        j = json.loads(answer)
        check(j["status"] == want and j["detail"] and j["error"], f"{name}: not a problem document: {j}")
        check(want != 400 or "errors" in j, f"{name}: names no field: {j}")
    status, _, answer = http("POST", f"{API}/SigningRequests", b"{}", {"Content-Type": "application/json"})
    check(status == 400, f"JSON instead of multipart: {status} {answer!r}")
    status, _, answer = http("GET", f"{API}/SigningRequests/{some_id}")
    check(status == 403, f"an unknown request: {status} {answer!r}")
    status, _, answer = http("GET", f"{URL}/Api/v1/{some_id}/SigningRequests/{some_id}")
    check(status == 403, f"another organisation: {status} {answer!r}")
    c = HTTPConnection(urllib.parse.urlparse(URL).netloc, timeout=20)
    c.putrequest("POST", f"/Api/v1/{ORG}/SigningRequests")
    for k, v in (("Authorization", f"Bearer {ENV['COUNTERSIGN_TOKEN']}"), ("Content-Type", "multipart/form-data; boundary=x"), ("Content-Length", str(1 << 50))):
        c.putheader(k, v)
    c.endheaders()
    check(c.getresponse().status == 413, "an artifact over the limit must be refused before it is read")


def fails_bad_files():
    pe = open(REAL_PE, "rb").read()
    header = struct.unpack_from("<I", pe, 0x3C)[0]
    sections = bytearray(pe)
    struct.pack_into("<H", sections, header + 6, 0xFFFF)
    cases = {"text": (b"hello, world\n", "pe.not_pe"), "empty": (b"", "pe."), "truncated": (pe[:header + 30], "pe.truncated"),
             "too many sections": (bytes(sections), "pe."), "MZ only": (b"MZ" + bytes(200), "pe.")}
    for name, (content, code) in cases.items():
        r = submit(content, "release-signing", name=f"{name}.exe")
        s = wait_final(r)
        check(s["status"] == "Failed" and s["failure"]["code"].startswith(code), f"{name}: {s['status']} {s.get('failure')}")
        check(s["failure"]["message"], f"{name}: no message")
        check(not any("Code to approve" in m["text"] for m in mails(r)), f"{name}: approvers were asked about a broken file")


def drafts():
    return [f for d, _, fs in os.walk(f"{RUN}/blobs") for f in fs if "tmp" in d or "draft" in d or f.startswith(".")]


def forgets_a_cut_upload():
    before = drafts()
    body, h = multipart([("ProjectSlug", "hello"), ("SigningPolicySlug", "test-signing")], [("Artifact", "a.exe", unique_pe(200000))])
    where = urllib.parse.urlparse(URL)
    for cut in (10, 300, len(body) // 2, len(body) - 5):
        s = socket.create_connection((where.hostname, where.port), timeout=20)
        head = f"POST /Api/v1/{ORG}/SigningRequests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ENV['COUNTERSIGN_TOKEN']}\r\nContent-Type: {h['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        s.sendall(head.encode() + body[:cut])
        s.close()
    wait_until("temporary blobs are removed", 20, lambda: drafts() == before)


def serves_ranges():
    r = submit(unique_pe())
    wait_final(r, expect="Completed")
    whole = download(r)
    url = f"{API}/SigningRequests/{r}/SignedArtifact"
    for header, want in (("bytes=0-99", whole[:100]), ("bytes=100-", whole[100:]), ("bytes=-50", whole[-50:])):
        status, headers, body = http("GET", url, headers={"Range": header})
        check(status == 206 and body == want, f"{header}: {status}, {len(body)} bytes")
    status, headers, body = http("HEAD", url)
    check(status == 200 and int(headers["Content-Length"]) == len(whole) and body == b"", f"HEAD: {status} {headers}")
    check("hello.exe" in headers["Content-Disposition"], headers["Content-Disposition"])
    status, headers, _ = http("GET", url, headers={"Range": f"bytes={len(whole) + 1}-"})
    check(status == 416, f"a range past the end: {status}")


def keeps_existing_signatures():
    first = submit(unique_pe(), "test-signing")
    wait_final(first, expect="Completed")
    second = submit(download(first), "test-signing-p256", extra=[("ArtifactConfigurationSlug", "append")])
    wait_final(second, expect="Completed")
    check("Number of verified signatures: 2" in osslsigncode_accepts(download(second)), "append lost a signature")
    third = submit(download(first), "test-signing-p256")
    wait_final(third, expect="Completed")
    check("Number of verified signatures: 1" in osslsigncode_accepts(download(third)), "without append the old signature stays")


def survives_kill_9():
    """Each daemon dies at once while requests are on their way; every request ends once, signed."""
    everything = []
    for victim in ("signer", "scheduler", "gateway", "notifier", "auditor"):
        some = [submit(unique_pe(i)) for i in range(8)]
        kill_9(victim)
        start(victim)
        some += [submit(unique_pe(i)) for i in range(2)]
        everything += some
    for r in everything:
        osslsigncode_accepts(download(wait_final(r, 120, expect="Completed") and r))
    r = submit(unique_pe(), "release-signing")
    kill_9("notifier")
    start("notifier")
    alice = invitation(r, "alice@example.com")
    kill_9("scheduler")
    start("scheduler")
    status, body = decide(alice.token, alice.approve)
    check(status in (200, 202), f"approval after the scheduler's death: {status} {body}")
    wait_final(r, expect="Completed")
    wait_until("audit verify", 60, lambda: cli("audit", "verify", code=None).returncode == 0)


def waits_for_kafka():
    r = submit(unique_pe())
    wait_final(r, expect="Completed")
    content = unique_pe()
    stack("down", "kafka")
    began = time.monotonic()
    status, headers, body = post_file(content, timeout=60)
    took = time.monotonic() - began
    check(status == 503 and headers["Retry-After"] and took < 15, f"without Kafka: {status} after {took:.1f} s: {body!r}")
    wait_until("readiness says why", 20, lambda: ready("gateway")[0] == 503)
    stack("up", "kafka")
    wait_until("gateway is ready again", 60, lambda: ready("gateway")[0] == 200)
    again = wait_until("intake after Kafka is back", 60, lambda: (lambda a: a if a[0] == 201 else None)(post_file(content)))
    wait_final(json.loads(again[2])["signingRequestId"], 120, expect="Completed")


def takes_requests_without_mariadb():
    stack("down", "mariadb")
    try:
        r = submit(unique_pe())
    finally:
        stack("up", "mariadb")
    wait_final(wait_until("the request is known", 60, lambda: r if http("GET", f"{API}/SigningRequests/{r}")[0] == 200 else None), 90, expect="Completed")


def waits_for_the_mail_server():
    """Mails wait, with a visible reason, and each comes once."""
    stack("down", "mail")
    try:
        r = submit(unique_pe(), "release-signing")
        wait_workflow(r, "WaitingForApproval")
        why = wait_until("the notifier's readiness says why", 30, lambda: (lambda a: a if a[0] == 503 else None)(ready("notifier")))
        check(b"smtp" in why[2], f"readiness: {why[2]!r}")
    finally:
        stack("up", "mail")
    alice, bob = invitation(r, "alice@example.com"), invitation(r, "bob@example.com")
    wait_until("the notifier is ready again", 30, lambda: ready("notifier")[0] == 200)
    check(alice.token != bob.token and len({alice.approve, alice.deny, bob.approve, bob.deny}) == 4, "two approvers share a secret")
    for who in ("alice@example.com", "bob@example.com"):
        check(len(mails(r, who)) == 1, f"{who} got {len(mails(r, who))} mails")
    cli("cancel", r)
    wait_until("approvers hear that it is over", 30, lambda: any(m["subject"].startswith("Canceled") for m in mails(r, "alice@example.com")))


def waits_for_the_timestamp_authority():
    stack("down", "tsa")
    try:
        r = submit(unique_pe())
        s = wait_until("a visible reason", 60, lambda: (lambda j: j if "waiting" in j else None)(status_of(r)))
        check(s["waiting"]["code"].startswith("tsa."), s["waiting"])
        check(http("GET", f"{API}/SigningRequests/{r}/SignedArtifact")[0] == 400, "an untimestamped file was given out")
    finally:
        stack("up", "tsa")
    wait_final(r, 90, expect="Completed")
    osslsigncode_accepts(download(r))


def tries_a_wrong_pin_once():
    pin = f"{RUN}/stack/token.pin"
    right = open(pin).read()
    stop("signer")
    try:
        os.chmod(pin, 0o600)
        open(pin, "w").write("wrong-" + right[:6])
        start("signer")
        r = submit(unique_pe())
        s = wait_until("a visible reason", 60, lambda: (lambda j: j if "waiting" in j else None)(status_of(r)))
        check(s["waiting"]["code"] == "keys.pin_incorrect", s["waiting"])
    finally:
        open(pin, "w").write(right)
    time.sleep(1.1)  # file times have to differ: the marker must be newer than the refusal
    subprocess.run([f"{ENV['COUNTERSIGN_BIN']}/countersign-keys", f"--pkcs11.pin_file={pin}", "resume"], check=True, capture_output=True)
    wait_final(r, 90, expect="Completed")


def shares_work_between_two_signers():
    config = open(f"{RUN}/config/signer.yaml").read()
    port = re.search(r"^health.listen: .*:(\d+)$", config, re.M).group(1)
    second = f"{TMP}/signer2.yaml"
    open(second, "w").write(config.replace(f":{port}", ":0").rstrip() + "\nservice.instance: second\n")
    log = open(f"{TMP}/signer2.log", "w+")
    p = subprocess.Popen([f"{ENV['COUNTERSIGN_BIN']}/countersign-signer", "--config", second], stderr=log, stdout=log)
    try:
        def some_done():
            for r in [submit(unique_pe(i)) for i in range(6)]:
                wait_final(r, 60, expect="Completed")
            return "event=job.done" in open(log.name).read()
        wait_until("the second signer has done a job", 90, some_done)
    finally:
        p.terminate()
        check(p.wait(60) == 0, "the second signer did not drain")
    wait_final(submit(unique_pe()), 60, expect="Completed")


def proves_it():
    wait_until("audit verify passes", 60, lambda: cli("audit", "verify", code=None).returncode == 0)
    copy = f"{TMP}/log"
    shutil.copytree(f"{RUN}/log", copy)
    check(cli("audit", "verify", "--log", copy, code=None).returncode == 0, "a copy of the log must verify")
    tiles = [os.path.join(d, f) for d, _, fs in os.walk(f"{copy}/tile/entries") for f in fs]
    with open(max(tiles, key=os.path.getsize), "r+b") as f:  # smaller partial tiles are of earlier checkpoints
        f.seek(40)
        byte = f.read(1)
        f.seek(40)
        f.write(bytes([byte[0] ^ 1]))
    p = cli("audit", "verify", "--log", copy, code=None)
    check(p.returncode == 1, f"a flipped byte: exit {p.returncode}\n{p.stdout}{p.stderr}")


if __name__ == "__main__":
    name = sys.argv[1]
    try:
        globals()[name]()
    except AssertionError as e:
        print(f"{name}: {e}", file=sys.stderr)
        sys.exit(1)
    finally:
        clean_up()
    print(f"{name}: ok")
