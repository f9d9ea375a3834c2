"""Drives a shop server with Python's grpcio: client.py host:port [ca.pem].

Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
"""

import sys
import threading

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2

from shop import Stub, om, pi

CASES = []


def case(f):
    CASES.append(f)
    return f


def want(what, got, expected):
    if got != expected:
        raise AssertionError("%s: got %r, want %r" % (what, got, expected))


def error_of(call):
    try:
        call()
    except grpc.RpcError as e:
        return e
    raise AssertionError("the call succeeded, want an error")


@case
def products(s):
    id = s.addProduct(pi.Product(name="Lamp", description="램프", price=7.5), timeout=10)
    p = s.getProduct(id, timeout=10)
    want("product", (p.name, p.description, p.price), ("Lamp", "램프", 7.5))
    e = error_of(lambda: s.getProduct(pi.ProductID(value="없음"), timeout=10))
    want("code", e.code(), grpc.StatusCode.NOT_FOUND)
    want("id in %r" % e.details(), "없음" in e.details(), True)


@case
def rich_error(s):
    e = error_of(lambda: s.addOrder(om.Order(id="-1"), timeout=10))
    want("code", e.code(), grpc.StatusCode.INVALID_ARGUMENT)
    trailer = dict(e.trailing_metadata())
    status = status_pb2.Status.FromString(trailer["grpc-status-details-bin"])
    want("status code", status.code, 3)
    bad = error_details_pb2.BadRequest()
    want("a BadRequest", status.details[0].Unpack(bad), True)
    want("field", bad.field_violations[0].field, "id")


@case
def orders(s):
    o = om.Order(id="py-1", items=["Celadon vase", "Box"], price=3, destination="Busan")
    s.addOrder(o, timeout=10)
    want("order", s.getOrder(StringValue(value="py-1"), timeout=10), o)
    more = [om.Order(id="py-%d" % i, items=["Celadon bowl"], destination="Jeju") for i in (2, 3)]
    answer = s.updateOrders(iter(more), timeout=10).value
    want("ids in %r" % answer, "py-2" in answer and "py-3" in answer, True)
    found = [o.id for o in s.searchOrders(StringValue(value="Celadon"), timeout=10)]
    want("found", found, ["py-1", "py-2", "py-3"])


@case
def process_orders(s):
    """Answers of a batch must come before the next batch is sent."""
    go = threading.Semaphore(1)

    def ids():
        for _ in range(3):
            go.acquire()
            for id in ("102", "103", "104"):
                yield StringValue(value=id)
        go.acquire()
        yield StringValue(value="105")

    shipments = s.processOrders(ids(), timeout=10)
    for _ in range(3):
        want("first", [o.id for o in next(shipments).ordersList], ["102", "104"])
        want("second", [o.id for o in next(shipments).ordersList], ["103"])
        go.release()
    want("last", [[o.id for o in sh.ordersList] for sh in shipments], [["105"]])
    want("code", shipments.code(), grpc.StatusCode.OK)


@case
def deadline(s):
    stop = threading.Event()

    def ids():
        yield StringValue(value="102")
        stop.wait(10)

    e = error_of(lambda: list(s.processOrders(ids(), timeout=0.2)))
    stop.set()
    want("code", e.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


@case
def cancel(s):
    stop = threading.Event()

    def ids():
        for _ in range(3):
            yield StringValue(value="103")
        stop.wait(10)

    shipments = s.processOrders(ids(), timeout=10)
    next(shipments)
    shipments.cancel()
    e = error_of(lambda: next(shipments))
    stop.set()
    want("code", e.code(), grpc.StatusCode.CANCELLED)


@case
def compressed(s):
    items = ["gzip " * 40] * 100
    s.addOrder(om.Order(id="gz", items=items, destination="Ulsan"), timeout=10, compression=grpc.Compression.Gzip)
    want("items", list(s.getOrder(StringValue(value="gz"), timeout=10).items), items)


@case
def unimplemented(channel_stub):
    call = channel_stub.channel.unary_unary("/ecommerce.OrderManagement/none")
    want("code", error_of(lambda: call(b"", timeout=10)).code(), grpc.StatusCode.UNIMPLEMENTED)


@case
def large(s):
    text = "x" * 4096
    many = [om.Order(id="l-%d" % i, items=["Heavy"], description=text, destination="Daegu") for i in range(300)]
    s.updateOrders(iter(many), timeout=30)
    want("orders", list(s.searchOrders(StringValue(value="Heavy"), timeout=30)), many)


@case
def concurrent(s):
    calls = [s.getOrder.future(StringValue(value="105"), timeout=20) for _ in range(100)]
    want("ids", {c.result().id for c in calls}, {"105"})


def main():
    target = sys.argv[1]
    if len(sys.argv) > 2:
        with open(sys.argv[2], "rb") as f:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(f.read()))
    else:
        channel = grpc.insecure_channel(target)
    stub = Stub(channel)
    stub.channel = channel
    failed = False
    for f in CASES:
        try:
            f(stub)
            print("ok", f.__name__)
        except Exception as e:  # whatever it is, it is the case's result
            failed = True
            print("FAILED %s: %s: %s" % (f.__name__, type(e).__name__, str(e).replace("\n", " ")))
    channel.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
