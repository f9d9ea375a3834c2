// The shop on grpc-java on Netty: server port [cert.pem key.pem]. Orders live in memory.

import com.google.protobuf.Any;
import com.google.protobuf.StringValue;
import com.google.rpc.BadRequest;
import ecommerce.OrderManagementGrpc;
import ecommerce.OrderManagementOuterClass.CombinedShipment;
import ecommerce.OrderManagementOuterClass.Order;
import ecommerce.ProductInfoGrpc;
import ecommerce.ProductInfoOuterClass.Product;
import ecommerce.ProductInfoOuterClass.ProductID;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

class server {
  static <T> void reply(StreamObserver<T> to, T answer) {
    to.onNext(answer);
    to.onCompleted();
  }

  static <T> void find(StreamObserver<T> to, T found, String id) {
    if (found == null) {
      to.onError(Status.NOT_FOUND.withDescription("there is nothing with the id " + id).asException());
    } else {
      reply(to, found);
    }
  }

  static class Orders extends OrderManagementGrpc.OrderManagementImplBase {
    final Map<String, Order> orders = Collections.synchronizedMap(new LinkedHashMap<>());

    Orders() {
      seed("102", 1800, "Mountain View, CA", "Google Pixel 3A", "Mac Book Pro");
      seed("103", 400, "San Jose, CA", "Apple Watch S4");
      seed("104", 400, "Mountain View, CA", "Google Home Mini", "Google Nest Hub");
      seed("105", 30, "San Jose, CA", "Amazon Echo");
      seed("106", 300, "Mountain View, CA", "Amazon Echo", "Apple iPhone XS");
    }

    void seed(String id, float price, String where, String... items) {
      put(Order.newBuilder().setId(id).setPrice(price).setDestination(where).addAllItems(List.of(items)).build());
    }

    void put(Order o) { orders.put(o.getId(), o); }

    public void addOrder(Order o, StreamObserver<StringValue> to) {
      if (o.getId().equals("-1")) {
        var bad = BadRequest.newBuilder();
        bad.addFieldViolationsBuilder().setField("id").setDescription("is not an id");
        to.onError(StatusProto.toStatusException(com.google.rpc.Status.newBuilder()
            .setCode(3).setMessage("the order is not valid").addDetails(Any.pack(bad.build())).build()));
        return;
      }
      put(o);
      reply(to, StringValue.of("Order Added: " + o.getId()));
    }

    public void getOrder(StringValue id, StreamObserver<Order> to) {
      find(to, orders.get(id.getValue()), id.getValue());
    }

    public void searchOrders(StringValue query, StreamObserver<Order> to) {
      List<Order> all;
      synchronized (orders) {
        all = new ArrayList<>(orders.values());
      }
      for (Order o : all) {
        if (o.getItemsList().stream().anyMatch(i -> i.contains(query.getValue()))) to.onNext(o);
      }
      to.onCompleted();
    }

    public StreamObserver<Order> updateOrders(StreamObserver<StringValue> to) {
      List<String> ids = new ArrayList<>();
      return new StreamObserver<Order>() {
        public void onNext(Order o) {
          put(o);
          ids.add(o.getId());
        }
        public void onError(Throwable t) {}
        public void onCompleted() { reply(to, StringValue.of("Updated Order IDs: " + String.join(", ", ids))); }
      };
    }

    public StreamObserver<StringValue> processOrders(StreamObserver<CombinedShipment> to) {
      return new StreamObserver<StringValue>() {
        final Map<String, CombinedShipment.Builder> batch = new LinkedHashMap<>();
        int seen;

        void flush() {
          batch.values().forEach(s -> to.onNext(s.build()));
          batch.clear();
          seen = 0;
        }
        public void onNext(StringValue id) {
          Order o = orders.get(id.getValue());
          batch.computeIfAbsent("cmb - " + o.getDestination(),
              name -> CombinedShipment.newBuilder().setId(name).setStatus("Processed!")).addOrdersList(o);
          if (++seen == 3) flush();
        }
        public void onError(Throwable t) {}
        public void onCompleted() {
          flush();
          to.onCompleted();
        }
      };
    }
  }

  static class Products extends ProductInfoGrpc.ProductInfoImplBase {
    final Map<String, Product> products = Collections.synchronizedMap(new LinkedHashMap<>());

    public void addProduct(Product p, StreamObserver<ProductID> to) {
      String id = "product-" + (products.size() + 1);
      products.put(id, p.toBuilder().setId(id).build());
      reply(to, ProductID.newBuilder().setValue(id).build());
    }

    public void getProduct(ProductID id, StreamObserver<Product> to) {
      find(to, products.get(id.getValue()), id.getValue());
    }
  }

  public static void main(String[] args) throws Exception {
    NettyServerBuilder builder = NettyServerBuilder.forAddress(new InetSocketAddress("localhost", Integer.parseInt(args[0])));
    if (args.length > 1) {
      builder.sslContext(GrpcSslContexts.forServer(new File(args[1]), new File(args[2])).build());
    }
    builder.addService(new Orders()).addService(new Products()).build().start().awaitTermination();
  }
}
