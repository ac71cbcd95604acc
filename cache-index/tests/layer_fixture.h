#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"

namespace samara::cache_index {

/// Writes layers into directories of their own; a layer that can't be written ends the test.
class LayerTest : public ::testing::Test {
 protected:
  SampleLayer write(const std::vector<SampleEntry>& entries, const SampleWriting& writing = {}) {
    absl::StatusOr<SampleLayer> layer = write_sample_layer(new_directory(), entries, writing);
    EXPECT_TRUE(layer.ok()) << layer.status();
    if (!layer.ok()) throw std::runtime_error("no layer to test with");
    return *std::move(layer);
  }

  std::string new_directory() {
    const std::string directory = temp_.path() + "/" + std::to_string(++directories_);
    EXPECT_TRUE(make_directories(directory).ok());
    return directory;
  }

  Inode inode_at(const SampleLayer& layer, std::string_view path) {
    return layer.index->inode(find_path(*layer.index, path).value()).value();
  }

 private:
  TempDir temp_ = TempDir::create("layer-test").value();
  int directories_ = 0;
};

}  // namespace samara::cache_index
