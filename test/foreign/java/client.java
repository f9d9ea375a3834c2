// Drives a shop server with grpc-java on Netty: client host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.

import com.google.protobuf.StringValue;
import com.google.rpc.BadRequest;
import ecommerce.OrderManagementGrpc;
import ecommerce.OrderManagementOuterClass.CombinedShipment;
import ecommerce.OrderManagementOuterClass.Order;
import ecommerce.ProductInfoGrpc;
import ecommerce.ProductInfoOuterClass.Product;
import ecommerce.ProductInfoOuterClass.ProductID;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

class client {
  interface Case {
    void run() throws Exception;
  }

  /** The answers of a stream, one by one. End is the status in an exception, or END. */
  static class Answers<Req, Res> implements ClientResponseObserver<Req, Res> {
    static final Object END = new Object();
    final BlockingQueue<Object> queue = new LinkedBlockingQueue<>();
    ClientCallStreamObserver<Req> call;

    public void beforeStart(ClientCallStreamObserver<Req> call) { this.call = call; }
    public void onNext(Res r) { queue.add(r); }
    public void onError(Throwable t) { queue.add(t); }
    public void onCompleted() { queue.add(END); }

    Object take() throws Exception {
      Object o = queue.poll(20, TimeUnit.SECONDS);
      want(o != null, "nothing within 20 s");
      return o;
    }
  }

  static OrderManagementGrpc.OrderManagementStub async;
  static OrderManagementGrpc.OrderManagementBlockingStub orders;
  static ProductInfoGrpc.ProductInfoBlockingStub products;

  static void want(boolean ok, String what) {
    if (!ok) throw new AssertionError(what);
  }

  static void wantCode(Status.Code code, Case c) throws Exception {
    try {
      c.run();
    } catch (StatusRuntimeException e) {
      want(e.getStatus().getCode() == code, e.getStatus() + ", want " + code);
      return;
    }
    throw new AssertionError("the call succeeded, want " + code);
  }

  static OrderManagementGrpc.OrderManagementBlockingStub soon() {
    return orders.withDeadlineAfter(20, TimeUnit.SECONDS);
  }

  static Order order(String id, String item, String where) {
    return Order.newBuilder().setId(id).addItems(item).setDestination(where).build();
  }

  static String idsOf(Object shipment) {
    want(shipment instanceof CombinedShipment, "want a shipment, got " + shipment);
    List<String> ids = new ArrayList<>();
    for (Order o : ((CombinedShipment) shipment).getOrdersListList()) ids.add(o.getId());
    return String.join(" ", ids);
  }

  static void products() throws Exception {
    ProductID id = products.addProduct(Product.newBuilder().setName("Lamp").setDescription("램프").setPrice(7.5f).build());
    Product p = products.getProduct(id);
    want(p.getName().equals("Lamp") && p.getDescription().equals("램프") && p.getPrice() == 7.5f, "changed: " + p);
    wantCode(Status.Code.NOT_FOUND, () -> products.getProduct(ProductID.newBuilder().setValue("없음").build()));
  }

  static void richError() throws Exception {
    try {
      soon().addOrder(Order.newBuilder().setId("-1").build());
    } catch (StatusRuntimeException e) {
      com.google.rpc.Status rich = StatusProto.fromThrowable(e);
      want(rich.getCode() == 3 && rich.getDetailsCount() == 1, "status: " + rich);
      BadRequest bad = rich.getDetails(0).unpack(BadRequest.class);
      want(bad.getFieldViolations(0).getField().equals("id"), "detail: " + bad);
      return;
    }
    throw new AssertionError("the call succeeded");
  }

  static String update(List<Order> all) throws Exception {
    Answers<Order, StringValue> answers = new Answers<>();
    var out = async.withDeadlineAfter(30, TimeUnit.SECONDS).updateOrders(answers);
    for (Order o : all) out.onNext(o);
    out.onCompleted();
    Object answer = answers.take();
    want(answer instanceof StringValue, "got " + answer);
    want(answers.take() == Answers.END, "no end after the answer");
    return ((StringValue) answer).getValue();
  }

  static List<Order> search(String query) {
    List<Order> found = new ArrayList<>();
    soon().searchOrders(StringValue.of(query)).forEachRemaining(found::add);
    return found;
  }

  static void orders() throws Exception {
    Order o = order("jv-1", "Celadon lid", "Busan");
    soon().addOrder(o);
    want(soon().getOrder(StringValue.of("jv-1")).equals(o), "the order came back changed");
    String answer = update(List.of(order("jv-2", "Celadon lid", "Jeju"), order("jv-3", "Celadon lid", "Jeju")));
    want(answer.contains("jv-2") && answer.contains("jv-3"), "ids missing in: " + answer);
    want(search("Celadon lid").size() == 3, "the search did not find 3 orders");
  }

  /** Answers of a batch must come before the next batch is sent. */
  static void processOrders() throws Exception {
    Answers<StringValue, CombinedShipment> answers = new Answers<>();
    var out = async.withDeadlineAfter(20, TimeUnit.SECONDS).processOrders(answers);
    for (int i = 0; i < 3; i++) {
      for (String id : List.of("102", "103", "104")) out.onNext(StringValue.of(id));
      String first = idsOf(answers.take()), second = idsOf(answers.take());
      want(first.equals("102 104") && second.equals("103"), "shipments: " + first + ", " + second);
    }
    out.onNext(StringValue.of("105"));
    out.onCompleted();
    want(idsOf(answers.take()).equals("105"), "not the last shipment");
    want(answers.take() == Answers.END, "no end");
  }

  static void wantEnd(Answers<StringValue, CombinedShipment> answers, Status.Code code) throws Exception {
    Object end = answers.take();
    want(end instanceof Throwable && Status.fromThrowable((Throwable) end).getCode() == code, "ended with " + end + ", want " + code);
  }

  static void deadline() throws Exception {
    Answers<StringValue, CombinedShipment> answers = new Answers<>();
    async.withDeadlineAfter(200, TimeUnit.MILLISECONDS).processOrders(answers).onNext(StringValue.of("102"));
    wantEnd(answers, Status.Code.DEADLINE_EXCEEDED);
  }

  static void cancel() throws Exception {
    Answers<StringValue, CombinedShipment> answers = new Answers<>();
    var out = async.withDeadlineAfter(20, TimeUnit.SECONDS).processOrders(answers);
    for (int i = 0; i < 3; i++) out.onNext(StringValue.of("103"));
    idsOf(answers.take());
    answers.call.cancel("enough", null);
    wantEnd(answers, Status.Code.CANCELLED);
  }

  static void large() throws Exception {
    List<Order> many = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      many.add(order("jv-large-" + i, "Heavy lid", "Daegu").toBuilder().setDescription("x".repeat(4096)).build());
    }
    update(many);
    want(search("Heavy lid").size() == many.size(), "not all orders were found");
  }

  static void compressed() {
    Order.Builder o = order("jv-gz", "gzip", "Ulsan").toBuilder();
    for (int i = 0; i < 90; i++) o.addItems("gzip ".repeat(40));
    soon().withCompression("gzip").addOrder(o.build());
    want(soon().getOrder(StringValue.of("jv-gz")).equals(o.build()), "the order came back changed");
  }

  static void concurrent(ManagedChannel channel) throws Exception {
    var stub = OrderManagementGrpc.newFutureStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    List<Future<Order>> calls = new ArrayList<>();
    for (int i = 0; i < 100; i++) calls.add(stub.getOrder(StringValue.of("105")));
    for (Future<Order> c : calls) want(c.get().getId().equals("105"), "another order");
  }

  public static void main(String[] args) throws Exception {
    NettyChannelBuilder builder = NettyChannelBuilder.forTarget(args[0]);
    if (args.length > 1) {
      builder.sslContext(GrpcSslContexts.forClient().trustManager(new File(args[1])).build());
    } else {
      builder.usePlaintext();
    }
    ManagedChannel channel = builder.build();
    async = OrderManagementGrpc.newStub(channel);
    orders = OrderManagementGrpc.newBlockingStub(channel);
    products = ProductInfoGrpc.newBlockingStub(channel);
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("products", client::products);
    cases.put("richError", client::richError);
    cases.put("orders", client::orders);
    cases.put("processOrders", client::processOrders);
    cases.put("deadline", client::deadline);
    cases.put("cancel", client::cancel);
    cases.put("large", client::large);
    cases.put("compressed", client::compressed);
    cases.put("concurrent", () -> concurrent(channel));
    boolean failed = false;
    for (var c : cases.entrySet()) {
      try {
        c.getValue().run();
        System.out.println("ok " + c.getKey());
      } catch (Throwable t) {
        failed = true;
        System.out.println("FAILED " + c.getKey() + ": " + String.valueOf(t).replace('\n', ' '));
      }
    }
    channel.shutdownNow();
    System.exit(failed ? 1 : 0);
  }
}
