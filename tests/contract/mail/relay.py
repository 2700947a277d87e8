"""A mail relay for tests: what it does is told by the recipient's name; each mail is judged by Python's own parser.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

OUT, MODE = sys.argv[1], sys.argv[2]


class Relay:
    def __init__(self):
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later@"):
            return "451 4.3.0 come back later"
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        if to.startswith("drop@"):
            server.transport.close()
            return "250 never seen"
        if to.startswith("full@"):
            return "452 4.2.2 mailbox full"
        if to.startswith("spam@"):
            return "554 5.7.1 we do not like it"
        self.count += 1
        raw = envelope.original_content
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        parts = {p.get_content_type(): p.get_content() for p in mail.walk() if not p.is_multipart()}
        with open(f"{OUT}/mail-{self.count}.json", "w", encoding="utf-8") as f:
            json.dump(
                {
                    "to": to,
                    "sender": envelope.mail_from,
                    "type": mail.get_content_type(),
                    "order": [p.get_content_type() for p in mail.walk()],
                    "headers": sorted({k for k in mail.keys()}),
                    "Subject": mail["Subject"],
                    "From": str(mail["From"]),
                    "To": str(mail["To"]),
                    "Date": mail["Date"].datetime.isoformat() if mail["Date"] else "",
                    "Message-ID": mail["Message-ID"],
                    "References": mail["References"],
                    "In-Reply-To": mail["In-Reply-To"],
                    "Delivery": mail["X-Countersign-Delivery"],
                    "text": parts["text/plain"],
                    "html": parts["text/html"],
                    "longest": max(len(line) for line in raw.split(b"\r\n")),
                    "tls": session.ssl is not None,
                    "login": bool(getattr(session, "authenticated", False)),
                },
                f,
                ensure_ascii=False,
                indent=0,
            )
        return "250 taken over"


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"countersign" and data.password == b"correct", handled=False)


async def main():
    options = {"hostname": "relay.example", "enable_SMTPUTF8": False}
    if MODE == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{OUT}/cert.pem", f"{OUT}/key.pem")
        options.update(tls_context=context, require_starttls=True, authenticator=login, auth_required=True)
    relay = Relay()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(relay, **options), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
