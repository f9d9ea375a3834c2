// Receives rich errors and large trailers with gRPC C++: rich host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

using google::protobuf::StringValue;

constexpr int fits = 4000;  // below that everything has to come

struct Case {
  const char* what;
  int bytes;
  grpc::StatusCode code;
};

// check returns what is wrong with the outcome of a case, or nothing.
std::string check(const std::shared_ptr<grpc::Channel>& channel, const Case& c) {
  grpc::ClientContext ctx;
  ctx.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
  StringValue request, response;
  request.set_value(std::string(c.what) + " " + std::to_string(c.bytes));
  grpc::internal::RpcMethod method("/naru.test.Pair/Unary", grpc::internal::RpcMethod::NORMAL_RPC, channel);
  auto began = std::chrono::steady_clock::now();
  grpc::Status s = grpc::internal::BlockingUnaryCall<StringValue, StringValue>(channel.get(), method, &ctx, request, &response);
  auto took = std::chrono::steady_clock::now() - began;
  size_t came = s.error_details().size();
  auto pad = ctx.GetServerTrailingMetadata().find("pad");
  if (pad != ctx.GetServerTrailingMetadata().end()) came = pad->second.size();
  std::string got = std::to_string(s.error_code()) + " " + s.error_message() + " with " + std::to_string(came) + " bytes";
  bool instead = s.error_code() == grpc::RESOURCE_EXHAUSTED || s.error_code() == grpc::INTERNAL;
  if (s.error_code() != c.code && (c.bytes <= fits || !instead || s.error_message().empty())) return got;
  if (came < size_t(c.bytes) && (c.bytes <= fits || s.ok())) return got;
  if (took > std::chrono::seconds(1)) return got + ", late";
  return "";
}

int main(int argc, char** argv) {
  std::shared_ptr<grpc::ChannelCredentials> creds = grpc::InsecureChannelCredentials();
  if (argc > 2) {
    std::ifstream in(argv[2]);
    std::stringstream all;
    all << in.rdbuf();
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = all.str();
    creds = grpc::SslCredentials(ssl);
  }
  auto channel = grpc::CreateChannel(argv[1], creds);
  bool failed = false;
  for (int kb : {1, 6, 8, 15, 64, -1, -6, -20}) {
    Case c = kb > 0 ? Case{"details", kb * 1000, grpc::FAILED_PRECONDITION} : Case{"trailer", -kb * 1000, grpc::OK};
    std::string name = std::string(c.what) + " of " + std::to_string(c.bytes) + " bytes";
    std::string why = check(channel, c);
    if (why.empty()) {
      std::cout << "ok " << name << std::endl;
      continue;
    }
    failed = true;
    std::cout << "FAILED " << name << ": " << why << std::endl;
  }
  return failed ? 1 : 0;
}
