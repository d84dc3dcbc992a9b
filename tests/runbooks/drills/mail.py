"""A mail server for drills."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shop_stack.ports import free_port


@dataclass
class MailServer:
    """It takes all messages, or refuses every recipient for good."""

    port: int
    refuses: bool = True
    messages: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        while line := await reader.readline():
            match line[:4].upper():
                case b"RCPT" if self.refuses:
                    writer.write(b"550 no such mailbox\r\n")
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.messages.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                    writer.write(b"250 taken\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def mail_server(port: int | None = None, refuses: bool = True) -> AsyncIterator[MailServer]:
    """A mail server on this machine, until the context ends. Without `port` it has a free one."""
    server = MailServer(port or free_port(), refuses)
    async with await asyncio.start_server(server.answer, "127.0.0.1", server.port):
        yield server
