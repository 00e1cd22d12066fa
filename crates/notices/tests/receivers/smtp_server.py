"""A real mail server (aiosmtpd) that treats recipients by their names, and prints each mail as a line of JSON."""

import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Policy:
    def __init__(self):
        self.seen = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        if user == "gone":
            return "550 5.1.1 no such person"
        if user == "full":
            return "452 4.2.2 mailbox full"
        if user == "hangup":
            server.transport.abort()
            return "421 bye"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(to.startswith("spam") for to in envelope.rcpt_tos):
            return "554 5.7.1 rejected as spam"
        if any(to.startswith("later") for to in envelope.rcpt_tos):
            return "451 4.3.0 try again"
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": bool(session.authenticated),
            "text": envelope.content.decode("utf-8", "replace"),
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"printery" and data.password == b"p/w +"
    return AuthResult(success=good, handled=good)


async def main():
    loop = asyncio.get_running_loop()
    needs_login = "login" in sys.argv
    policy = Policy()

    def protocol():
        return SMTP(
            policy,
            hostname="mail.test",
            authenticator=authenticate,
            auth_required=needs_login,
            auth_require_tls=False,
        )

    server = await loop.create_server(protocol, "127.0.0.1", int(sys.argv[1]))
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
