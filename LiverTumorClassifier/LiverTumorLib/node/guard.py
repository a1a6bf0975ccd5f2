"""A receiving port that hostile and broken peers cannot hold: limits on who connects, how many, how much and how
slowly.

pynetdicom reads what a message part's length field announces, however much and however long that takes; here each part
has an end.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from .logs import log

_CHUNK = 1 << 16
# Beyond the associations that are allowed, so many may be told that there are too many; more are just cut off.
_TURNED_AWAY_AT_A_TIME = 5
_HEAD = 6  # bytes of a message part before what its length field counts
_OVERHEAD = 4096  # bytes of an association request or a command beyond an object's own


class Budget:
    """How many bytes a peer may still send before a whole message of its has been taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._spent = 0

    def spend(self, count: int) -> bool:
        """Whether so many more are allowed."""
        self._spent += count
        return self._spent <= self._most

    def renew(self) -> None:
        """A whole message has been taken."""
        self._spent = 0


class GuardedServer(ThreadedAssociationServer):
    """pynetdicom's server with the limits of a node, which `limit` sets before it serves.

    Attributes:
        budgets: of each association.
    """

    daemon_threads = True
    request_queue_size = 64

    def limit(self, networks: Sequence[str], max_object: int, max_pdu: int, timeout_s: float) -> None:
        """Set the limits.

        Args:
            networks: addresses from which anybody may connect.
            max_object: bytes of an object.
            max_pdu: bytes of a message part.
            timeout_s: for one message part, or between two sends.
        """
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]
        self.max_object, self.max_pdu, self.timeout_s = max_object, max_pdu, timeout_s
        self.budgets: WeakKeyDictionary[Association, Budget] = WeakKeyDictionary()

    def get_request(self) -> tuple[socket.socket, tuple]:
        """As pynetdicom's, but the TLS handshake is left to the peer's own thread: a peer that does not finish it holds
        nobody up."""
        client, address = cast(socket.socket, self.socket).accept()
        client.settimeout(self.timeout_s)
        if self.ssl_context:
            client = self.ssl_context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        return client, address

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> bool:
        """Cut off who may not connect, and who comes when there are far too many."""
        address = ipaddress.ip_address(client_address[0])
        if not any(address in network for network in self._networks):
            log("connection refused", level="warning", address=str(address), why="address")
            return False
        if len(self.active_associations) >= self.ae.maximum_associations + _TURNED_AWAY_AT_A_TIME:
            log("connection refused", level="warning", address=str(address), why="too many")
            return False
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks while it is taken is no news."""


class GuardedHandler(RequestHandler):
    """Gives each association's socket its limits."""

    server: GuardedServer

    def _create_association(self) -> Association:
        association = super()._create_association()
        budget = self.server.budgets[association] = Budget(self.server.max_object + _OVERHEAD)
        guarded = cast(AssociationSocket, association.dul.socket)
        limited = partial(_receive, guarded, budget, self.server.max_pdu, self.server.timeout_s)
        guarded.recv = limited  # type: ignore[method-assign]
        return association


def _receive(guarded: AssociationSocket, budget: Budget, max_pdu: int, timeout_s: float, count: int) -> bytearray:
    """In place of `AssociationSocket.recv`: OSError, and the connection closed, where a limit is broken."""
    data = bytearray()
    deadline = time.monotonic() + timeout_s
    connection = guarded.socket
    try:
        if connection is None:
            raise OSError("closed already")
        if count > max_pdu + _HEAD or not budget.spend(count):
            raise OSError("more than is allowed")
        while len(data) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("slower than is allowed")
            connection.settimeout(left)
            part = connection.recv(min(count - len(data), _CHUNK))
            if not part:
                break
            data += part
        connection.settimeout(timeout_s)  # for what is sent
        return data
    except OSError as error:
        log(
            "connection cut",
            level="warning",
            address=guarded.assoc.requestor.address,
            why=str(error) or type(error).__name__,
        )
        guarded._shutdown_socket()
        raise
