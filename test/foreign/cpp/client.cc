// Drives a shop server with gRPC C++: client host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ecommerce/order_management.grpc.pb.h"
#include "ecommerce/product_info.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

using ecommerce::CombinedShipment;
using ecommerce::Order;
using ecommerce::OrderManagement;
using ecommerce::Product;
using ecommerce::ProductID;
using ecommerce::ProductInfo;
using google::protobuf::StringValue;
using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;

struct Shop {
  std::unique_ptr<OrderManagement::Stub> orders;
  std::unique_ptr<ProductInfo::Stub> products;
};

// Call is a context that ends in 20 seconds.
struct Call : ClientContext {
  Call() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20)); }
};

void want(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}

void wantCode(const Status& s, StatusCode code) {
  want(s.error_code() == code, "code " + std::to_string(s.error_code()) + " (" + s.error_message() + "), want " +
                                   std::to_string(code));
}

StringValue text(const std::string& s) {
  StringValue v;
  v.set_value(s);
  return v;
}

Order order(const std::string& id, const std::string& item, const std::string& where) {
  Order o;
  o.set_id(id);
  o.add_items(item);
  o.set_destination(where);
  return o;
}

std::string idsOf(const CombinedShipment& s) {
  std::string ids;
  for (const auto& o : s.orderslist()) ids += (ids.empty() ? "" : " ") + o.id();
  return ids;
}

void products(Shop& s) {
  Product p;
  p.set_name("Lamp");
  p.set_description("램프");
  p.set_price(7.5);
  ProductID id;
  Call add;
  wantCode(s.products->addProduct(&add, p, &id), StatusCode::OK);
  Product got;
  Call get;
  wantCode(s.products->getProduct(&get, id, &got), StatusCode::OK);
  want(got.name() == "Lamp" && got.description() == "램프" && got.price() == 7.5, "the product came back changed");
  id.set_value("없음");
  Call none;
  Status st = s.products->getProduct(&none, id, &got);
  wantCode(st, StatusCode::NOT_FOUND);
  want(st.error_message().find("없음") != std::string::npos, "no id in: " + st.error_message());
}

void richError(Shop& s) {
  Call c;
  StringValue answer;
  Status st = s.orders->addOrder(&c, order("-1", "x", "x"), &answer);
  wantCode(st, StatusCode::INVALID_ARGUMENT);
  google::rpc::Status rich;
  want(rich.ParseFromString(st.error_details()) && rich.code() == 3, "no google.rpc.Status in the details");
  google::rpc::BadRequest bad;
  want(rich.details_size() == 1 && rich.details(0).UnpackTo(&bad), "no BadRequest in the details");
  want(bad.field_violations(0).field() == "id", "not about field id");
}

void update(Shop& s, const std::vector<Order>& orders, StringValue* answer) {
  Call c;
  auto writer = s.orders->updateOrders(&c, answer);
  for (const auto& o : orders) want(writer->Write(o), "write failed");
  writer->WritesDone();
  wantCode(writer->Finish(), StatusCode::OK);
}

std::vector<Order> search(Shop& s, const std::string& query) {
  Call c;
  auto reader = s.orders->searchOrders(&c, text(query));
  std::vector<Order> found;
  for (Order o; reader->Read(&o);) found.push_back(o);
  wantCode(reader->Finish(), StatusCode::OK);
  return found;
}

void orders(Shop& s) {
  StringValue answer;
  Call add;
  wantCode(s.orders->addOrder(&add, order("cc-1", "Celadon tile", "Busan"), &answer), StatusCode::OK);
  Order got;
  Call get;
  wantCode(s.orders->getOrder(&get, text("cc-1"), &got), StatusCode::OK);
  want(got.items(0) == "Celadon tile" && got.destination() == "Busan", "the order came back changed");
  update(s, {order("cc-2", "Celadon tile", "Jeju"), order("cc-3", "Celadon tile", "Jeju")}, &answer);
  want(answer.value().find("cc-2") != std::string::npos && answer.value().find("cc-3") != std::string::npos,
       "ids missing in: " + answer.value());
  want(search(s, "Celadon tile").size() == 3, "the search did not find 3 orders");
}

// Answers of a batch must come before the next batch is sent.
void processOrders(Shop& s) {
  Call c;
  auto stream = s.orders->processOrders(&c);
  CombinedShipment got;
  for (int i = 0; i < 3; i++) {
    for (auto id : {"102", "103", "104"}) want(stream->Write(text(id)), "write failed");
    want(stream->Read(&got) && idsOf(got) == "102 104", "first shipment: " + idsOf(got));
    want(stream->Read(&got) && idsOf(got) == "103", "second shipment: " + idsOf(got));
  }
  want(stream->Write(text("105")), "write failed");
  stream->WritesDone();
  want(stream->Read(&got) && idsOf(got) == "105", "last shipment: " + idsOf(got));
  want(!stream->Read(&got), "more than the last shipment");
  wantCode(stream->Finish(), StatusCode::OK);
}

void deadline(Shop& s) {
  ClientContext c;
  c.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  auto stream = s.orders->processOrders(&c);
  stream->Write(text("102"));
  CombinedShipment got;
  want(!stream->Read(&got), "a shipment of one order");
  wantCode(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

void cancel(Shop& s) {
  Call c;
  auto stream = s.orders->processOrders(&c);
  for (int i = 0; i < 3; i++) stream->Write(text("103"));
  CombinedShipment got;
  want(stream->Read(&got), "no shipment");
  c.TryCancel();
  want(!stream->Read(&got), "a shipment after the end");
  wantCode(stream->Finish(), StatusCode::CANCELLED);
}

void compressed(Shop& s) {
  Order o = order("cc-gz", "gzip", "Ulsan");
  std::string item;
  for (int i = 0; i < 40; i++) item += "gzip ";
  for (int i = 0; i < 90; i++) o.add_items(item);
  Call add;
  add.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  StringValue answer;
  wantCode(s.orders->addOrder(&add, o, &answer), StatusCode::OK);
  Call get;
  Order got;
  wantCode(s.orders->getOrder(&get, text("cc-gz"), &got), StatusCode::OK);
  want(got.items_size() == 91 && got.items(90) == item, "the order came back changed");
}

void large(Shop& s) {
  std::vector<Order> many;
  for (int i = 0; i < 300; i++) {
    Order o = order("cc-large-" + std::to_string(i), "Heavy tile", "Daegu");
    o.set_description(std::string(4096, 'x'));
    many.push_back(o);
  }
  StringValue answer;
  update(s, many, &answer);
  auto found = search(s, "Heavy tile");
  want(found.size() == many.size(), "found " + std::to_string(found.size()) + " orders");
  for (const auto& o : found) want(o.description().size() == 4096, "a description came back changed");
}

void concurrent(Shop& s) {
  std::vector<std::future<Status>> calls;
  for (int i = 0; i < 100; i++) {
    calls.push_back(std::async(std::launch::async, [&s] {
      Call c;
      Order o;
      return s.orders->getOrder(&c, text("105"), &o);
    }));
  }
  for (auto& c : calls) wantCode(c.get(), StatusCode::OK);
}

std::string readFile(const char* name) {
  std::ifstream in(name);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

int main(int argc, char** argv) {
  std::shared_ptr<grpc::ChannelCredentials> creds = grpc::InsecureChannelCredentials();
  if (argc > 2) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = readFile(argv[2]);
    creds = grpc::SslCredentials(ssl);
  }
  auto channel = grpc::CreateChannel(argv[1], creds);
  Shop shop{OrderManagement::NewStub(channel), ProductInfo::NewStub(channel)};
  const std::vector<std::pair<const char*, std::function<void(Shop&)>>> cases = {
      {"products", products}, {"richError", richError},   {"orders", orders}, {"processOrders", processOrders},
      {"deadline", deadline}, {"cancel", cancel},         {"large", large},   {"compressed", compressed},
      {"concurrent", concurrent},
  };
  bool failed = false;
  for (const auto& [name, run] : cases) {
    try {
      run(shop);
      std::cout << "ok " << name << std::endl;
    } catch (const std::exception& e) {
      failed = true;
      std::cout << "FAILED " << name << ": " << e.what() << std::endl;
    }
  }
  return failed ? 1 : 0;
}
