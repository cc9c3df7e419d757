"""A server that reads what it is sent and drops it: `sink.py PORT`.

The same for every client that uploads, on bare sockets, so that the client is the slower end.
It answers Expect: 100-continue at once, and a whole request with how many bytes its content
had. Content is taken by Content-Length or in chunks, with a thread for each connection.
"""

import socket
import sys
import threading

BUFFER = 256 * 1024  # bytes
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Visit:
    """One connection: a buffer that is filled again and again."""

    def __init__(self, accepted: socket.socket) -> None:
        self.accepted = accepted
        self.data = b""  # what has come and is not taken yet: heads and sizes of chunks
        self.buffer = bytearray(BUFFER)

    def answer_all(self) -> None:
        while head := self.until(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if b"expect" in fields:
                self.accepted.sendall(GO_ON)
            if b"transfer-encoding" in fields:
                size = self.drop_chunks()
            else:
                size = self.drop(int(fields.get(b"content-length", 0)))
            body = b"%d\n" % size
            self.accepted.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    def until(self, end: bytes) -> bytes:
        """Take what comes before an end; b"" when the client is done."""
        while end not in self.data:
            piece = self.accepted.recv(BUFFER)
            if not piece:
                return b""
            self.data += piece
        found, _, self.data = self.data.partition(end)
        return found

    def drop(self, size: int) -> int:
        """Take so many bytes."""
        here = min(size, len(self.data))
        self.data = self.data[here:]
        left = size - here
        while left:
            taken = self.accepted.recv_into(self.buffer, min(left, BUFFER))
            if not taken:
                raise ConnectionError("gone before its end")
            left -= taken
        return size

    def drop_chunks(self) -> int:
        total = 0
        while line := self.until(b"\r\n"):
            size = int(line.partition(b";")[0], 16)
            if not size:
                self.until(b"\r\n")  # no trailers
                return total
            total += self.drop(size)
            self.drop(2)
        raise ConnectionError("gone before its end")


def visited(accepted: socket.socket) -> None:
    with accepted:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            Visit(accepted).answer_all()
        except ConnectionError:
            return


def main(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    while True:
        accepted, _ = listening.accept()
        threading.Thread(target=visited, args=(accepted,), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
