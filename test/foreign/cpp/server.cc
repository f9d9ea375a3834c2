// The shop on gRPC C++: server port [cert.pem key.pem]. Orders live in memory.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "ecommerce/order_management.grpc.pb.h"
#include "ecommerce/product_info.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

using ecommerce::CombinedShipment;
using ecommerce::Order;
using ecommerce::Product;
using ecommerce::ProductID;
using google::protobuf::StringValue;
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

class Orders final : public ecommerce::OrderManagement::Service {
 public:
  Orders() {
    add("102", {"Google Pixel 3A", "Mac Book Pro"}, "Mountain View, CA", 1800);
    add("103", {"Apple Watch S4"}, "San Jose, CA", 400);
    add("104", {"Google Home Mini", "Google Nest Hub"}, "Mountain View, CA", 400);
    add("105", {"Amazon Echo"}, "San Jose, CA", 30);
    add("106", {"Amazon Echo", "Apple iPhone XS"}, "Mountain View, CA", 300);
  }

  Status addOrder(ServerContext*, const Order* o, StringValue* answer) override {
    if (o->id() == "-1") {
      google::rpc::BadRequest bad;
      auto* v = bad.add_field_violations();
      v->set_field("id");
      v->set_description("is not an id");
      google::rpc::Status rich;
      rich.set_code(3);
      rich.set_message("the order is not valid");
      rich.add_details()->PackFrom(bad);
      return Status(StatusCode::INVALID_ARGUMENT, rich.message(), rich.SerializeAsString());
    }
    put(*o);
    answer->set_value("Order Added: " + o->id());
    return Status::OK;
  }

  Status getOrder(ServerContext*, const StringValue* id, Order* o) override {
    if (!find(id->value(), o)) return Status(StatusCode::NOT_FOUND, "there is no order " + id->value());
    return Status::OK;
  }

  Status searchOrders(ServerContext*, const StringValue* query, grpc::ServerWriter<Order>* out) override {
    std::vector<Order> found;
    {
      std::lock_guard<std::mutex> hold(mu_);
      for (const auto& [id, o] : orders_) {
        for (const auto& item : o.items()) {
          if (item.find(query->value()) != std::string::npos) {
            found.push_back(o);
            break;
          }
        }
      }
    }
    for (const auto& o : found) out->Write(o);
    return Status::OK;
  }

  Status updateOrders(ServerContext*, grpc::ServerReader<Order>* in, StringValue* answer) override {
    std::string ids;
    for (Order o; in->Read(&o);) {
      put(o);
      ids += (ids.empty() ? "" : ", ") + o.id();
    }
    answer->set_value("Updated Order IDs: " + ids);
    return Status::OK;
  }

  Status processOrders(ServerContext*, grpc::ServerReaderWriter<CombinedShipment, StringValue>* stream) override {
    std::vector<CombinedShipment> batch;
    int seen = 0;
    auto flush = [&] {
      for (const auto& s : batch) stream->Write(s);
      batch.clear();
      seen = 0;
    };
    for (StringValue id; stream->Read(&id);) {
      Order o;
      if (!find(id.value(), &o)) return Status(StatusCode::NOT_FOUND, "there is no order " + id.value());
      const std::string name = "cmb - " + o.destination();
      auto it = std::find_if(batch.begin(), batch.end(), [&](const auto& s) { return s.id() == name; });
      if (it == batch.end()) {
        it = batch.emplace(batch.end());
        it->set_id(name);
        it->set_status("Processed!");
      }
      *it->add_orderslist() = o;
      if (++seen == 3) flush();
    }
    flush();
    return Status::OK;
  }

 private:
  void add(const char* id, std::vector<const char*> items, const char* where, float price) {
    Order o;
    o.set_id(id);
    for (auto i : items) o.add_items(i);
    o.set_destination(where);
    o.set_price(price);
    put(o);
  }

  void put(const Order& o) {
    std::lock_guard<std::mutex> hold(mu_);
    orders_[o.id()] = o;
  }

  bool find(const std::string& id, Order* o) {
    std::lock_guard<std::mutex> hold(mu_);
    auto it = orders_.find(id);
    if (it == orders_.end()) return false;
    *o = it->second;
    return true;
  }

  std::mutex mu_;
  std::map<std::string, Order> orders_;  // guarded by mu_
};

class Products final : public ecommerce::ProductInfo::Service {
 public:
  Status addProduct(ServerContext*, const Product* p, ProductID* id) override {
    std::lock_guard<std::mutex> hold(mu_);
    id->set_value("product-" + std::to_string(products_.size() + 1));
    products_[id->value()] = *p;
    products_[id->value()].set_id(id->value());
    return Status::OK;
  }

  Status getProduct(ServerContext*, const ProductID* id, Product* p) override {
    std::lock_guard<std::mutex> hold(mu_);
    auto it = products_.find(id->value());
    if (it == products_.end()) return Status(StatusCode::NOT_FOUND, "there is no product " + id->value());
    *p = it->second;
    return Status::OK;
  }

 private:
  std::mutex mu_;
  std::map<std::string, Product> products_;  // guarded by mu_
};

std::string readFile(const char* name) {
  std::ifstream in(name);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

int main(int argc, char** argv) {
  std::shared_ptr<grpc::ServerCredentials> creds = grpc::InsecureServerCredentials();
  if (argc > 3) {
    grpc::SslServerCredentialsOptions ssl;
    ssl.pem_key_cert_pairs.push_back({readFile(argv[3]), readFile(argv[2])});
    creds = grpc::SslServerCredentials(ssl);
  }
  Orders orders;
  Products products;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("localhost:") + argv[1], creds);
  builder.RegisterService(&orders);
  builder.RegisterService(&products);
  builder.BuildAndStart()->Wait();
}
