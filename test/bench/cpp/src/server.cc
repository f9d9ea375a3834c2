// An echo server on gRPC C++'s callback API. Usage: server <host:port>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>

#include "echo.grpc.pb.h"

using naru::bench::v1::Echo;
using naru::bench::v1::Message;

namespace {

// Answers with the request, `id` times.
class Repeat : public grpc::ServerWriteReactor<Message> {
 public:
  explicit Repeat(const Message* req) : left_(req->id()), endless_(req->id() <= 0), res_(*req) {
    res_.set_id(0);
    Next();
  }
  void OnWriteDone(bool ok) override { ok ? Next() : Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (!endless_ && left_-- == 0) {
      Finish(grpc::Status::OK);
      return;
    }
    res_.set_id(res_.id() + 1);
    StartWrite(&res_);
  }
  int64_t left_;
  bool endless_;
  Message res_;
};

// Counts the requests.
class Count : public grpc::ServerReadReactor<Message> {
 public:
  explicit Count(Message* res) : res_(res) { StartRead(&req_); }
  void OnReadDone(bool ok) override {
    if (!ok) {
      res_->set_id(n_);
      Finish(grpc::Status::OK);
      return;
    }
    n_++;
    StartRead(&req_);
  }
  void OnDone() override { delete this; }

 private:
  Message req_;
  Message* res_;
  int64_t n_ = 0;
};

// Answers every request with itself.
class Reflect : public grpc::ServerBidiReactor<Message, Message> {
 public:
  Reflect() { StartRead(&msg_); }
  void OnReadDone(bool ok) override { ok ? StartWrite(&msg_) : Finish(grpc::Status::OK); }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&msg_);
    // A failed write is followed by a failed read or by cancellation; finish once, here.
    else Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  Message msg_;
};

class Service final : public Echo::CallbackService {
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* ctx, const Message* req, Message* res) override {
    *res = *req;
    auto* reactor = ctx->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerWriteReactor<Message>* ServerStream(grpc::CallbackServerContext*, const Message* req) override {
    return new Repeat(req);
  }
  grpc::ServerReadReactor<Message>* ClientStream(grpc::CallbackServerContext*, Message* res) override {
    return new Count(res);
  }
  grpc::ServerBidiReactor<Message, Message>* Bidi(grpc::CallbackServerContext*) override { return new Reflect; }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: server <host:port>\n");
    return 2;
  }
  // Blocked before gRPC starts threads, so that sigwait below is the only one to see them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGUSR1, SIG_IGN);

  std::string addr = argv[1];
  int port = 0;
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(addr, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "cannot listen on %s\n", addr.c_str());
    return 1;
  }
  std::printf("listening on %s:%d\n", addr.substr(0, addr.rfind(':')).c_str(), port);
  std::fflush(stdout);

  int got = 0;
  sigwait(&signals, &got);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
