"""Receives rich errors and large trailers with Python's grpcio: rich.py host:port [ca.pem].

Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
"""

import sys
import time

import grpc
from google.protobuf.wrappers_pb2 import StringValue

KB = 1000
CASES = [("details", n * KB) for n in (1, 6, 8, 15, 64)] + [("trailer", n * KB) for n in (1, 6, 20)]
CODE = {"details": grpc.StatusCode.FAILED_PRECONDITION, "trailer": grpc.StatusCode.OK}
FITS = 4 * KB  # below that everything has to come
INSTEAD = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL)


def outcome(unary, what, n):
    """Returns the code, the text and the length of what came with it."""
    try:
        _, call = unary.with_call(StringValue(value="%s %d" % (what, n)), timeout=3)
    except grpc.RpcError as e:
        call = e
    found = [len(v) for k, v in call.trailing_metadata() or () if k in ("pad", "grpc-status-details-bin")]
    return call.code(), call.details(), max(found, default=0)


def check(unary, what, n):
    code, text, came = outcome(unary, what, n)
    got = "%s %r with %d bytes" % (code, text, came)
    if code != CODE[what] and (n <= FITS or code not in INSTEAD or not text):
        raise AssertionError(got)
    if n <= FITS and came < n:
        raise AssertionError(got)
    if code == grpc.StatusCode.OK and came < n:
        raise AssertionError(got + ": success without its trailers")


def main():
    target = sys.argv[1]
    if len(sys.argv) > 2:
        with open(sys.argv[2], "rb") as f:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(f.read()))
    else:
        channel = grpc.insecure_channel(target)
    unary = channel.unary_unary("/naru.test.Pair/Unary", StringValue.SerializeToString, StringValue.FromString)
    failed = False
    for what, n in CASES:
        name = "%s of %d bytes" % (what, n)
        began = time.time()
        try:
            check(unary, what, n)
            if time.time() - began > 1:
                raise AssertionError("it took %.1f s" % (time.time() - began))
            print("ok", name)
        except Exception as e:  # whatever it is, it is the case's result
            failed = True
            print("FAILED %s: %s" % (name, str(e).replace("\n", " ")))
    channel.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
