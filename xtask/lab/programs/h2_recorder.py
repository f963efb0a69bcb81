"""An HTTP/2 server that writes down what it gets, with hyper's h2: nobody's code but its own reads the wire.

Usage: h2_recorder.py ADDRESS PORT FILE MAX_CONCURRENT_STREAMS MANNER

Each request becomes a line of JSON in FILE when it ends, one way or another. Fields stand in their order, with
duplicates; bytes are shown as Latin-1. Calls of gRPC are answered by the last part of their path. MANNER is serves;
refuses (each path when it is first asked for: REFUSED_STREAM), leaves (each connection takes one request: GOAWAY), or
withholds (what it gets ends with its connection, or is reset).
"""

import asyncio
import base64
import hashlib
import json
import struct
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def listed(headers):
    return [
        [text(h[0]), text(h[1]), isinstance(h, hpack.NeverIndexedHeaderTuple)]
        for h in headers
    ]


class Request:
    def __init__(self, fields, version):
        self.fields = fields
        self.version = version
        self.trailers = None
        self.ended = False
        self.length = 0
        self.hash = hashlib.sha256()
        self.body = bytearray()

    def take(self, data):
        self.length += len(data)
        self.hash.update(data)
        self.body += data

    def value(self, name):
        return next((v for n, v, _ in self.fields if n.lower() == name), "")

    @property
    def method_of_grpc(self):
        if not self.value("content-type").startswith("application/grpc"):
            return None
        return self.value(":path").rsplit("/", 1)[-1]


class Connection(asyncio.Protocol):
    count = 0

    refused = set()

    def __init__(self, out, streams, manner):
        self.out, self.streams, self.manner = out, streams, manner
        self.taken = None
        self.left = False
        self.number = Connection.count
        Connection.count += 1
        self.buffer = b""
        self.h2 = None
        self.open = {}
        self.pending = {}

    # What is written down.

    def record(self, stream, request, end, code=None):
        line = {
            "connection": self.number,
            "stream": stream,
            "version": request.version,
            "fields": request.fields,
            "trailers": request.trailers,
            "body_len": request.length,
            "body_sha256": request.hash.hexdigest(),
            "end": end,
            "code": code,
        }
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    # What asyncio says.

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        for stream, request in self.open.items():
            self.record(stream, request, "end" if request.ended else "closed")
        self.open = {}

    def data_received(self, data):
        if self.left:
            return
        if self.h2 is None:
            self.buffer += data
            if self.buffer.startswith(PREFACE[: len(self.buffer)]):
                if len(self.buffer) < len(PREFACE):
                    return
                self.begin()
                self.h2.initiate_connection()
            else:
                self.http1()
                return
            data, self.buffer = self.buffer, b""
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.send()
            self.transport.close()
            return
        for event in events:
            self.on(event)
        self.send()

    def begin(self):
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        codes = h2.settings.SettingCodes
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: self.streams,
                codes.MAX_HEADER_LIST_SIZE: 1 << 20,
                codes.INITIAL_WINDOW_SIZE: 1 << 20,
            },
        )
        self.h2.max_inbound_frame_size = 16_384

    def send(self):
        if data := self.h2.data_to_send():
            self.transport.write(data)

    # HTTP/1: a request that offers HTTP/2 is taken at its word (RFC 7540 section 3.2).

    def http1(self):
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            first, *lines = head.split(b"\r\n")
            fields = [[text(part) for part in first.split(b" ")[:2]] + [False]]
            fields += [[text(n), text(v.strip()), False] for n, v in (l.split(b":", 1) for l in lines)]
            request = Request(fields, "1")
            length = int(request.value("content-length") or 0)
            if len(rest) < length:
                return
            request.take(rest[:length])
            self.buffer = rest[length:]
            if request.value("upgrade").lower() != "h2c":
                self.record(1, request, "end")
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                continue
            self.record(1, request, "end")
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            )
            self.begin()
            self.h2.initiate_upgrade_connection(request.value("http2-settings").encode())
            self.h2.send_headers(1, [(":status", "200"), ("content-length", "2")])
            self.h2.send_data(1, b"ok", end_stream=True)
            self.send()
            data, self.buffer = self.buffer, b""
            if data:
                self.data_received(data)
            return

    # HTTP/2.

    def on(self, event):
        if isinstance(event, h2.events.RequestReceived):
            request = Request(listed(event.headers), "2")
            if self.refuses(event.stream_id, request):
                return
            self.open[event.stream_id] = request
            if request.method_of_grpc == "Chat":
                self.answer_head(event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            if event.stream_id not in self.open:
                return
            self.open[event.stream_id].trailers = listed(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            request = self.open.get(event.stream_id)
            if request is not None:
                request.take(event.data)
                if request.method_of_grpc == "Chat":
                    self.queue(event.stream_id, bytes(event.data))
        elif isinstance(event, h2.events.StreamEnded):
            if self.manner == "withholds":
                self.open[event.stream_id].ended = True
                return
            request = self.open.pop(event.stream_id, None)
            if request is not None:
                self.record(event.stream_id, request, "end")
                self.answer(event.stream_id, request)
        elif isinstance(event, h2.events.StreamReset):
            self.pending.pop(event.stream_id, None)
            request = self.open.pop(event.stream_id, None)
            if request is not None:
                self.record(event.stream_id, request, "reset", int(event.error_code))
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            for stream in list(self.pending):
                self.flush(stream)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.send()
            self.transport.close()

    def refuses(self, stream, request):
        path = request.value(":path")
        if self.manner == "refuses" and path not in Connection.refused:
            Connection.refused.add(path)
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif self.manner == "leaves" and self.taken is not None:
            self.left = True
            self.send()
            self.transport.write(struct.pack(">BHBBIII", 0, 8, 7, 0, 0, self.taken, 0))
        else:
            self.taken = stream
            return False
        self.record(stream, request, "refused")
        return True

    def answer_head(self, stream):
        self.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])

    def answer(self, stream, request):
        method = request.method_of_grpc
        ok = [("grpc-status", "0")]
        if request.value(":method") == "HEAD":
            self.h2.send_headers(stream, [(":status", "200")], end_stream=True)
        elif method is None:
            self.h2.send_headers(stream, [(":status", "200"), ("content-length", "2")])
            self.queue(stream, b"ok", end=True)
        elif method == "Chat":
            self.queue(stream, b"", trailers=ok)
        elif method == "Fail":
            self.h2.send_headers(
                stream,
                [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")],
                end_stream=True,
            )
        elif method == "Sleep":
            pass
        else:
            body = bytes(request.body)
            if method == "Collect":
                body = struct.pack(">BI", 0, 8) + struct.pack(">Q", len(request.body))
            if method == "Expand":
                body = body * 10
            self.answer_head(stream)
            self.queue(stream, body, trailers=ok)

    def queue(self, stream, data, end=False, trailers=None):
        known = self.pending.setdefault(stream, [bytearray(), False, None])
        known[0] += data
        known[1] = known[1] or end
        known[2] = known[2] or trailers
        self.flush(stream)

    def flush(self, stream):
        data, end, trailers = self.pending[stream]
        try:
            while data:
                room = min(
                    self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data)
                )
                if room <= 0:
                    return
                self.h2.send_data(stream, bytes(data[:room]), end_stream=end and room == len(data))
                del data[:room]
            if trailers:
                self.h2.send_headers(stream, trailers, end_stream=True)
            if trailers or end:
                del self.pending[stream]
        except h2.exceptions.ProtocolError:
            self.pending.pop(stream, None)


async def main():
    address, port, path, streams, manner = sys.argv[1:]
    out = open(path, "a")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(out, int(streams), manner), address, int(port), backlog=4096
    )
    async with server:
        await server.serve_forever()


asyncio.run(main())
