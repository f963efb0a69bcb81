"""An echo of grpcio's. Usage: grpc_server.py ADDRESS FILE MAX_CONNECTION_AGE_MS [CHANGE]

A line of JSON for each call that it served: its method, and the hash of each message. CHANGE is what some of
them are answered with that is no echo.
"""

import concurrent.futures
import hashlib
import json
import struct
import sys
import threading
import time

import grpc

address, path, age = sys.argv[1], sys.argv[2], int(sys.argv[3])
change = sys.argv[4] if len(sys.argv) > 4 else "none"
out, lock = open(path, "a"), threading.Lock()


def record(context, method, messages):
    fields = sorted([k, v if isinstance(v, str) else v.decode("latin-1")] for k, v in context.invocation_metadata())
    line = {
        "peer": context.peer(),
        "method": method,
        "metadata": fields,
        "messages": [hashlib.sha256(message).hexdigest() for message in messages],
    }
    with lock:
        out.write(json.dumps(line) + "\n")
        out.flush()


def unary(message, context):
    record(context, "Unary", [message])
    if change == "byte":
        return bytes([message[0] ^ 1]) + message[1:] if message else message
    if change == "length":
        return message + b"!"
    if change == "header":
        context.send_initial_metadata([("x-new", "1")])
    if change == "trailer":
        context.set_trailing_metadata([("x-new", "1")])
    if change == "gzip":
        context.set_compression(grpc.Compression.Gzip)
    if change == "not_found":
        context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
    if change == "internal":
        context.abort(grpc.StatusCode.INTERNAL, "it broke")
    return message


def collect(messages, context):
    messages = list(messages)
    record(context, "Collect", messages)
    return struct.pack(">Q", sum(map(len, messages)))


def expand(message, context):
    record(context, "Expand", [message])
    for _ in range(9 if change == "messages" else 10):
        yield message


def chat(messages, context):
    heard = []
    for message in messages:
        heard.append(message)
        yield message
    record(context, "Chat", heard)


def fail(message, context):
    record(context, "Fail", [message])
    if change == "status":
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is none")
    context.abort(grpc.StatusCode.NOT_FOUND, "there is none")


def sleep(message, context):
    record(context, "Sleep", [message])
    while context.is_active():
        time.sleep(0.05)
    return b""


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Expand": grpc.unary_stream_rpc_method_handler(expand),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
}
options = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.absolute_max_metadata_size", 1 << 20),
]
if age:
    options += [("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", 10_000)]
server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=options)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("lab.Echo", handlers)])
server.add_insecure_port(address)
server.start()
server.wait_for_termination()
