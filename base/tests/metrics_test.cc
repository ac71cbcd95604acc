#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara {
namespace {

using testing::HasSubstr;

TEST(Metrics, ExposesWhatWasCounted) {
  Metrics metrics;

  metrics.counter("samara_reads_total", "Reads", {{"source", "cache"}}).add(3);
  metrics.gauge("samara_layers", "Layers").set(2);
  metrics.histogram("samara_read_seconds", "Latency", {0.1, 1}).observe(0.5);

  EXPECT_THAT(metrics.expose(), HasSubstr("samara_reads_total{source=\"cache\"} 3"));
  EXPECT_THAT(metrics.expose(), HasSubstr("samara_layers 2"));
  EXPECT_THAT(metrics.expose(), HasSubstr("samara_read_seconds_bucket{le=\"1\"} 1"));
}

TEST(Metrics, GivesTheSameHandleForTheSameLabels) {
  Metrics metrics;

  auto& a = metrics.counter("samara_x_total", "X", {{"k", "1"}});

  EXPECT_EQ(&a, &metrics.counter("samara_x_total", "X", {{"k", "1"}}));
  EXPECT_NE(&a, &metrics.counter("samara_x_total", "X", {{"k", "2"}}));
}

}  // namespace
}  // namespace samara
