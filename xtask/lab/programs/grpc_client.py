"""Calls of grpcio, by the name of a scene. Usage: grpc_client.py TARGET SCENE COUNT

Prints how many calls were made and how many ended as they should, as JSON. Without a scheme compiled: messages
are bytes.
"""

from concurrent import futures
import json
import sys
import threading
import time

import grpc

target, scene, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.absolute_max_metadata_size", 1 << 20),
    ("grpc.use_local_subchannel_pool", 1),
]
WAIT = 60


def channel():
    made = grpc.insecure_channel(target, options=options)
    grpc.channel_ready_future(made).result(timeout=WAIT)
    return made


def bytes_of(number, length):
    pattern = b"%08d" % number
    return (pattern * (length // 8 + 1))[:length]


def tags(number):
    return [("x-number", str(number)), ("x-twice", "a"), ("x-twice", "b"), ("x-blob-bin", bytes(range(256)))]


def unary(one, number, length, metadata=None):
    call = one.unary_unary("/lab.Echo/Unary")
    sent = bytes_of(number, length)
    return call(sent, timeout=WAIT, metadata=metadata or tags(number)) == sent


def collect(one, number):
    call = one.stream_unary("/lab.Echo/Collect")
    return len(call((bytes_of(n, 100) for n in range(20)), timeout=WAIT, metadata=tags(number))) == 8


def expand(one, number, metadata=None):
    call = one.unary_stream("/lab.Echo/Expand")
    return len(list(call(bytes_of(number, 1000), timeout=WAIT, metadata=metadata or tags(number)))) == 10


def chat(one, number):
    """Each message waits for the answer to the one before: a copy must not wait for the end."""
    heard = threading.Semaphore(1)

    def say():
        for n in range(5):
            heard.acquire(timeout=WAIT)
            yield bytes_of(n, 500)

    call = one.stream_stream("/lab.Echo/Chat")
    answers = []
    for answer in call(say(), timeout=WAIT, metadata=tags(number)):
        answers.append(answer)
        heard.release()
    return answers == [bytes_of(n, 500) for n in range(5)]


def deadline(one, number):
    try:
        one.unary_unary("/lab.Echo/Sleep")(bytes_of(number, 10), timeout=0.3, metadata=tags(number))
    except grpc.RpcError as error:
        return error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    return False


def cancel(one, number):
    call = one.unary_unary("/lab.Echo/Sleep").future(bytes_of(number, 10), metadata=tags(number))
    time.sleep(0.3)
    call.cancel()
    return call.cancelled()


def fail(one, number, metadata=None):
    try:
        one.unary_unary("/lab.Echo/Fail")(bytes_of(number, 10), timeout=WAIT, metadata=metadata or tags(number))
    except grpc.RpcError as error:
        return error.code() == grpc.StatusCode.NOT_FOUND
    return False


def metadata(one, number):
    return unary(one, number, 10, tags(number) + [("x-long", "v" * 16_384)])


def concurrent(count):
    one = channel()
    call = one.unary_unary("/lab.Echo/Unary")
    sent = [bytes_of(n, 100) for n in range(count)]
    calls = [call.future(message, timeout=WAIT, metadata=tags(n)) for n, message in enumerate(sent)]
    return sum(call.result() == message for call, message in zip(calls, sent))


def each(work):
    one = channel()
    return sum(bool(work(one, number)) for number in range(count))


def patient(work):
    """A call that a closing connection refuses is made again by its caller."""

    def again(one, number):
        for _ in range(20):
            try:
                return work(one, number)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.1)
        return False

    return again


def slowly(one, number):
    time.sleep(0.02)
    return unary(one, number, 100)


def connections():
    with futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(lambda n: unary(channel(), n, 100), range(count)))


if scene == "midstream":
    # A connection that was there before: lines on standard input say when to go on.
    one = channel()
    done = 0
    for line in sys.stdin:
        done += sum(bool(unary(one, n, 100)) for n in range(int(line)))
        print(done, flush=True)
    sys.exit(0)
done = {
    "unary": lambda: each(lambda one, n: unary(one, n, n * 37 % 5_000)),
    "empty": lambda: each(lambda one, n: unary(one, n, 0)),
    "collect": lambda: each(collect),
    "expand": lambda: each(expand),
    "chat": lambda: each(chat),
    "large": lambda: each(lambda one, n: unary(one, n, 4 << 20)),
    "deadline": lambda: each(deadline),
    "cancel": lambda: each(cancel),
    "fail": lambda: each(fail),
    "metadata": lambda: each(metadata),
    # The same calls again and again.
    "same-unary": lambda: each(lambda one, n: unary(one, 1, 1_000, tags(1))),
    "same-expand": lambda: each(lambda one, n: expand(one, 1, tags(1))),
    "same-fail": lambda: each(lambda one, n: fail(one, 1, tags(1))),
    "concurrent": lambda: concurrent(count),
    "reconnect": lambda: each(patient(slowly)),
    "connections": connections,
}[scene]()
print(json.dumps({"made": count, "well": done}))
