"""What client.py and server.py share: the shop's methods in terms of grpcio's generic API.

The folder of the generated messages is on PYTHONPATH.
"""

from ecommerce import order_management_pb2 as om
from ecommerce import product_info_pb2 as pi
from google.protobuf.wrappers_pb2 import StringValue

ORDERS = "ecommerce.OrderManagement"
PRODUCTS = "ecommerce.ProductInfo"

# method: (service, kind, request, response)
METHODS = {
    "addProduct": (PRODUCTS, "unary_unary", pi.Product, pi.ProductID),
    "getProduct": (PRODUCTS, "unary_unary", pi.ProductID, pi.Product),
    "addOrder": (ORDERS, "unary_unary", om.Order, StringValue),
    "getOrder": (ORDERS, "unary_unary", StringValue, om.Order),
    "searchOrders": (ORDERS, "unary_stream", StringValue, om.Order),
    "updateOrders": (ORDERS, "stream_unary", om.Order, StringValue),
    "processOrders": (ORDERS, "stream_stream", StringValue, om.CombinedShipment),
}


class Stub:
    """A method of the channel for each method of the shop."""

    def __init__(self, channel):
        for name, (service, kind, request, response) in METHODS.items():
            make = getattr(channel, kind)
            setattr(self, name, make(
                "/%s/%s" % (service, name),
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            ))
