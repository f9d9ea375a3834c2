// What the client's modes share: the clock, the histogram, the report.
#pragma once
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

inline int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch()).count();
}

// 128 buckets per power of two of nanoseconds.
class Histogram {
 public:
  Histogram() : counts_(40 << kSub, 0) {}
  void Record(int64_t ns) {
    max_ = std::max(max_, ns);
    total_++;
    counts_[Bucket(ns)]++;
  }
  void Merge(const Histogram& o) {
    for (size_t i = 0; i < counts_.size(); i++) counts_[i] += o.counts_[i];
    total_ += o.total_;
    max_ = std::max(max_, o.max_);
  }
  double Micros(double q) const {
    uint64_t seen = 0, rank = std::max<uint64_t>(1, static_cast<uint64_t>(q * total_));
    for (size_t i = 0; i < counts_.size(); i++)
      if ((seen += counts_[i]) >= rank) return std::min<double>(Upper(i), max_) / 1e3;
    return max_ / 1e3;
  }
  double MaxMicros() const { return max_ / 1e3; }

 private:
  static constexpr int kSub = 7;
  static size_t Bucket(int64_t ns) {
    uint64_t v = std::min<uint64_t>(ns < 0 ? 0 : ns, (1ull << 38) - 1);
    int exp = 63 - __builtin_clzll(v | 1);
    if (exp < kSub) return v;
    int shift = exp - kSub;
    return (static_cast<size_t>(shift) << kSub) + (v >> shift);
  }
  static double Upper(size_t i) {
    if (i < (2 << kSub)) return i;
    int shift = (i >> kSub) - 1;
    uint64_t low = ((i & ((1 << kSub) - 1)) | (1 << kSub)) << shift;
    return low + (1ull << shift) - 1;
  }
  std::vector<uint32_t> counts_;
  uint64_t total_ = 0;
  int64_t max_ = 0;
};

struct Config {
  std::string addr, mode, output;
  int conns, callers, size, depth;
  double seconds, warmup;
  int64_t start, end;  // of the measured window, by Now()
};

struct Tally {
  Histogram hist;
  uint64_t calls = 0, errors = 0;
  std::string first_error;
  void Count(const Config& c, int64_t begin, int64_t done) {
    if (begin < c.start || done > c.end) return;
    calls++;
    hist.Record(done - begin);
  }
};

inline double CPUMicros() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

// Prints the object the Go client prints too. Allocations are not counted here: -1.
inline void Report(const Config& c, const Tally& t, double cpu) {
  double rate = t.calls / c.seconds, per_call = t.calls ? cpu / t.calls : 0;
  const char* format = c.output == "json"
      ? "{\"impl\":\"cpp\",\"mode\":\"%s\",\"conns\":%d,\"callers\":%d,\"size\":%d,\"rate\":0,\"seconds\":%g,\"calls\":%llu,"
        "\"errors\":%llu,\"calls_per_second\":%.1f,\"messages_per_second\":%.1f,\"megabytes_per_second\":%.3f,"
        "\"cpu_us_per_call\":%.3f,\"allocs_per_call\":-1,"
        "\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p99.9\":%.3f,\"max\":%.3f}}\n"
      : "cpp %s: %d connections, %d callers, %d payload bytes, closed loop, %g s\n  calls %llu, errors %llu\n"
        "  calls/s     %.0f\n  messages/s  %.0f\n  MB/s        %.1f\n  CPU/call    %.2f us (this process)\n"
        "  latency     p50 %.0f us, p90 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n";
  std::printf(format, c.mode.c_str(), c.conns, c.callers, c.size, c.seconds,
              static_cast<unsigned long long>(t.calls), static_cast<unsigned long long>(t.errors), rate, rate,
              rate * c.size / 1e6, per_call, t.hist.Micros(0.5), t.hist.Micros(0.9), t.hist.Micros(0.99),
              t.hist.Micros(0.999), t.hist.MaxMicros());
  if (t.errors) std::fprintf(stderr, "first error: %s\n", t.first_error.c_str());
}
