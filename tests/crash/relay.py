"""A way to PostgreSQL that can be cut, without the server being told."""

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """Passes on what comes to its port. `url` is the database's, by this way."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        assert there.hostname is not None
        assert there.port is not None
        self._there = (there.hostname, there.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._servers: list[socket.socket] = []
        self.is_open = True
        self.url = url.replace(f":{there.port}/", f":{self._listener.getsockname()[1]}/")
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Connections end for the client; for the server they go on, silent. New ones are still passed on."""
        clients, self._clients = self._clients, []
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def close(self) -> None:
        self._listener.close()
        self.is_open = False
        self.cut()
        for server in self._servers:
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self.is_open:
                    client.close()
                    continue
                server = socket.create_connection(self._there)
                self._clients.append(client)
                self._servers.append(server)
                threading.Thread(target=self._pass_on, args=[client, server], daemon=True).start()
                threading.Thread(target=self._pass_on, args=[server, client], daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        if source in self._servers or source in self._clients:  # it ended by itself, and was not cut
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
