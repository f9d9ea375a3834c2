"""The shop on Python's grpcio: server.py port [cert.pem key.pem]. Orders live in memory."""

import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2

from shop import METHODS, ORDERS, PRODUCTS, om, pi

SEEDS = [
    ("102", ["Google Pixel 3A", "Mac Book Pro"], "Mountain View, CA", 1800),
    ("103", ["Apple Watch S4"], "San Jose, CA", 400),
    ("104", ["Google Home Mini", "Google Nest Hub"], "Mountain View, CA", 400),
    ("105", ["Amazon Echo"], "San Jose, CA", 30),
    ("106", ["Amazon Echo", "Apple iPhone XS"], "Mountain View, CA", 300),
]


class Shop:
    def __init__(self):
        self.lock = threading.Lock()
        self.products = {}
        self.orders = {
            id: om.Order(id=id, items=items, destination=where, price=price)
            for id, items, where, price in SEEDS
        }

    def addProduct(self, product, context):
        with self.lock:
            product.id = "product-%d" % (len(self.products) + 1)
            self.products[product.id] = product
        return pi.ProductID(value=product.id)

    def getProduct(self, id, context):
        p = self.products.get(id.value)
        if p is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no product %s" % id.value)
        return p

    def addOrder(self, order, context):
        if order.id == "-1":
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(field="id", description="is not an id")
            status = status_pb2.Status(code=3, message="the order is not valid")
            status.details.add().Pack(bad)
            context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, status.message)
        with self.lock:
            self.orders[order.id] = order
        return StringValue(value="Order Added: " + order.id)

    def getOrder(self, id, context):
        o = self.orders.get(id.value)
        if o is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no order %s" % id.value)
        return o

    def searchOrders(self, query, context):
        with self.lock:
            found = [o for o in self.orders.values() if any(query.value in i for i in o.items)]
        yield from found

    def updateOrders(self, orders, context):
        new = list(orders)
        with self.lock:
            self.orders.update((o.id, o) for o in new)
        return StringValue(value="Updated Order IDs: " + ", ".join(o.id for o in new))

    def processOrders(self, ids, context):
        batch, seen = {}, 0
        for id in ids:
            o = self.orders[id.value]
            shipment = batch.setdefault(o.destination, om.CombinedShipment(
                id="cmb - " + o.destination, status="Processed!"))
            shipment.ordersList.append(o)
            seen += 1
            if seen == 3:
                yield from batch.values()
                batch, seen = {}, 0
        yield from batch.values()


def handlers(shop, service):
    found = {}
    for name, (owner, kind, request, response) in METHODS.items():
        if owner == service:
            found[name] = getattr(grpc, kind + "_rpc_method_handler")(
                getattr(shop, name),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
    return grpc.method_handlers_generic_handler(service, found)


def main():
    shop = Shop()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    server.add_generic_rpc_handlers([handlers(shop, PRODUCTS), handlers(shop, ORDERS)])
    address = "localhost:" + sys.argv[1]
    if len(sys.argv) > 2:
        with open(sys.argv[2], "rb") as c, open(sys.argv[3], "rb") as k:
            creds = grpc.ssl_server_credentials([(k.read(), c.read())])
        server.add_secure_port(address, creds)
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
