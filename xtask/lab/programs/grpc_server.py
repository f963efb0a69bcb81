"""An echo of grpcio's. Usage: grpc_server.py ADDRESS FILE MAX_CONNECTION_AGE_MS

A line of JSON for each call that it served: its method, and the hash of each message.
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
    return message


def collect(messages, context):
    messages = list(messages)
    record(context, "Collect", messages)
    return struct.pack(">Q", sum(map(len, messages)))


def expand(message, context):
    record(context, "Expand", [message])
    for _ in range(10):
        yield message


def chat(messages, context):
    heard = []
    for message in messages:
        heard.append(message)
        yield message
    record(context, "Chat", heard)


def fail(message, context):
    record(context, "Fail", [message])
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
