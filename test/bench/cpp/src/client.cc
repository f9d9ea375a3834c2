// A load on an echo server, on gRPC C++'s callback API. Started by echoclient --impl cpp.
// Usage: client <host:port> <mode> <conns> <callers> <size> <seconds> <warmup> <depth> <output>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "bench.h"
#include "echo.grpc.pb.h"

using naru::bench::v1::Echo;
using naru::bench::v1::Message;

namespace {

Config cfg;
Message request;

// Counts callers down to zero.
class Latch {
 public:
  explicit Latch(int n) : n_(n) {}
  void Done() {
    std::lock_guard<std::mutex> l(mu_);
    if (--n_ == 0) cv_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> l(mu_);
    cv_.wait(l, [this] { return n_ == 0; });
  }

 private:
  std::mutex mu_;
  std::condition_variable cv_;
  int n_;
};

struct Caller {
  virtual ~Caller() = default;
  virtual void Start() = 0;
  Echo::Stub* stub = nullptr;
  Latch* latch = nullptr;
  Tally tally;
  void End(const grpc::Status& s) {
    if (!s.ok() && Now() < cfg.end) {
      tally.errors++;
      tally.first_error = s.error_message();
    }
    latch->Done();
  }
};

struct UnaryCaller : Caller {
  std::unique_ptr<grpc::ClientContext> ctx;
  Message res;
  int64_t begin = 0;
  void Start() override {
    begin = Now();
    if (begin >= cfg.end) return End(grpc::Status::OK);
    ctx = std::make_unique<grpc::ClientContext>();
    stub->async()->Unary(ctx.get(), &request, &res, [this](grpc::Status s) {
      if (!s.ok()) return End(s);
      tally.Count(cfg, begin, Now());
      Start();
    });
  }
};

// pingpong: writes when the answer is there; pipe: writes up to depth messages ahead.
struct BidiCaller : Caller, grpc::ClientBidiReactor<Message, Message> {
  grpc::ClientContext ctx;
  Message out = request, in;
  const bool pipe;
  std::mutex mu;  // pipe: reactions to reads and writes run side by side
  int ahead = 0;
  bool waiting = false;
  explicit BidiCaller(bool p) : pipe(p) {}
  void Start() override {
    stub->async()->Bidi(&ctx, this);
    if (pipe) {
      AddHold();  // writes are started outside of the read's reaction
      StartRead(&in);
    }
    Write();
    StartCall();
  }
  void Write() {
    if (Now() >= cfg.end) {
      StartWritesDone();
      if (pipe) RemoveHold();
      else ctx.TryCancel();
      return;
    }
    out.set_id(Now());
    StartWrite(&out);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      if (pipe) RemoveHold();
      return;
    }
    if (!pipe) return StartRead(&in);
    {
      std::lock_guard<std::mutex> l(mu);
      waiting = ++ahead >= cfg.depth;
      if (waiting) return;
    }
    Write();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    // In a pipe many are under way at once, some since before the window: an arrival is what counts.
    int64_t now = Now();
    if (pipe && now >= cfg.start && now <= cfg.end) tally.calls++, tally.hist.Record(now - in.id());
    if (!pipe) tally.Count(cfg, in.id(), now);
    if (!pipe) return Write();
    bool resume;
    {
      std::lock_guard<std::mutex> l(mu);
      ahead--;
      resume = waiting;
      waiting = false;
    }
    StartRead(&in);
    if (resume) Write();
  }
  void OnDone(const grpc::Status& s) override { End(s); }
};

struct ServerCaller : Caller, grpc::ClientReadReactor<Message> {
  grpc::ClientContext ctx;
  Message in;
  void Start() override {
    stub->async()->ServerStream(&ctx, &request, this);
    StartRead(&in);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    int64_t now = Now();
    if (!ok) return;
    if (now >= cfg.end) return ctx.TryCancel();
    if (now >= cfg.start) tally.calls++;
    StartRead(&in);
  }
  void OnDone(const grpc::Status& s) override { End(s); }
};

struct ClientCaller : Caller, grpc::ClientWriteReactor<Message> {
  grpc::ClientContext ctx;
  Message res;
  int64_t sent = 0;
  void Start() override {
    stub->async()->ClientStream(&ctx, &res, this);
    StartWrite(&request);
    StartCall();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return;
    sent++;
    int64_t now = Now();
    if (now >= cfg.end) {
      StartWritesDone();
      return;
    }
    if (now >= cfg.start) tally.calls++;
    StartWrite(&request);
  }
  void OnDone(const grpc::Status& s) override {
    if (s.ok() && res.id() != sent) tally.errors++, tally.first_error = "server counted other than was sent";
    End(s);
  }
};

std::unique_ptr<Caller> NewCaller() {
  if (cfg.mode == "unary") return std::make_unique<UnaryCaller>();
  if (cfg.mode == "pingpong" || cfg.mode == "pipe") return std::make_unique<BidiCaller>(cfg.mode == "pipe");
  if (cfg.mode == "server") return std::make_unique<ServerCaller>();
  if (cfg.mode == "client") return std::make_unique<ClientCaller>();
  return nullptr;
}

void SleepUntil(int64_t t) { std::this_thread::sleep_for(std::chrono::nanoseconds(std::max<int64_t>(0, t - Now()))); }

int Run() {
  std::vector<std::unique_ptr<Echo::Stub>> stubs;
  for (int i = 0; i < cfg.conns; i++) {
    grpc::ChannelArguments args;
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection per channel
    stubs.push_back(Echo::NewStub(grpc::CreateCustomChannel(cfg.addr, grpc::InsecureChannelCredentials(), args)));
    grpc::ClientContext ctx;
    ctx.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    Message res;
    grpc::Status s = stubs.back()->Unary(&ctx, request, &res);
    if (!s.ok()) {
      std::fprintf(stderr, "connection %d: first call: %s\n", i, s.error_message().c_str());
      return 1;
    }
  }
  cfg.start = Now() + static_cast<int64_t>(cfg.warmup * 1e9);
  cfg.end = cfg.start + static_cast<int64_t>(cfg.seconds * 1e9);
  Latch latch(cfg.callers);
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < cfg.callers; i++) {
    callers.push_back(NewCaller());
    callers.back()->stub = stubs[i % stubs.size()].get();
    callers.back()->latch = &latch;
  }
  for (auto& c : callers) c->Start();
  SleepUntil(cfg.start);
  double before = CPUMicros();
  SleepUntil(cfg.end);
  double cpu = CPUMicros() - before;
  latch.Wait();
  Tally all;
  for (auto& c : callers) {
    all.hist.Merge(c->tally.hist);
    all.calls += c->tally.calls;
    all.errors += c->tally.errors;
    if (all.first_error.empty()) all.first_error = c->tally.first_error;
  }
  Report(cfg, all, cpu);
  return all.errors ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) {
    std::fprintf(stderr, "usage: client <host:port> <mode> <conns> <callers> <size> <seconds> <warmup> <depth> <output>\n");
    return 2;
  }
  cfg = Config{argv[1], argv[2], argv[9], std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]),
               std::atoi(argv[8]), std::atof(argv[6]), std::atof(argv[7]), 0, 0};
  request.set_message("hello");
  request.set_payload(std::string(cfg.size, 'x'));
  if (NewCaller() == nullptr) {
    std::fprintf(stderr, "mode %s: want unary, pingpong, pipe, server or client\n", cfg.mode.c_str());
    return 2;
  }
  return Run();
}
