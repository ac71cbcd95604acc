#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace samara {
namespace {

class CounterHandle final : public Metrics::Counter {
 public:
  explicit CounterHandle(prometheus::Counter& counter) : counter_(counter) {}
  void add(double by) override { counter_.Increment(by); }
  double value() const override { return counter_.Value(); }

 private:
  prometheus::Counter& counter_;
};

class GaugeHandle final : public Metrics::Gauge {
 public:
  explicit GaugeHandle(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void set(double to) override { gauge_.Set(to); }
  void add(double by) override { gauge_.Increment(by); }

 private:
  prometheus::Gauge& gauge_;
};

class HistogramHandle final : public Metrics::Histogram {
 public:
  explicit HistogramHandle(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

}  // namespace

struct Metrics::Registry {
  using Key = std::pair<std::string, Labels>;

  // The handle of `key` in `handles`, made by `make` the first time.
  template <typename Handle, typename Make>
  auto& once(std::map<Key, std::unique_ptr<Handle>>& handles, const std::string& name, const Labels& labels, Make make) {
    std::lock_guard lock(mutex);
    std::unique_ptr<Handle>& handle = handles[{name, labels}];
    if (handle == nullptr) handle = make();
    return *handle;
  }

  prometheus::Registry registry;
  std::mutex mutex;
  std::map<Key, std::unique_ptr<CounterHandle>> counters;
  std::map<Key, std::unique_ptr<GaugeHandle>> gauges;
  std::map<Key, std::unique_ptr<HistogramHandle>> histograms;
};

Metrics::Metrics() : registry_(std::make_unique<Registry>()) {}
Metrics::~Metrics() = default;

Metrics::Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return registry_->once(registry_->counters, name, labels, [&] {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry_->registry);
    return std::make_unique<CounterHandle>(family.Add(labels));
  });
}

Metrics::Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return registry_->once(registry_->gauges, name, labels, [&] {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry_->registry);
    return std::make_unique<GaugeHandle>(family.Add(labels));
  });
}

Metrics::Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                                       const std::vector<double>& buckets, const Labels& labels) {
  return registry_->once(registry_->histograms, name, labels, [&] {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry_->registry);
    return std::make_unique<HistogramHandle>(family.Add(labels, buckets));
  });
}

std::string Metrics::expose() const { return prometheus::TextSerializer().Serialize(registry_->registry.Collect()); }

}  // namespace samara
