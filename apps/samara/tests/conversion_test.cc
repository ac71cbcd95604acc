#include "conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "tar_builder.h"

namespace samara::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Conversion : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return temporary_.path() + "/" + name; }
  std::string write(const std::string& name, std::string_view content) const {
    EXPECT_TRUE(write_file_atomic(path(name), content).ok());
    return path(name);
  }
  std::vector<std::string> output() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path("out"))) names.push_back(entry.path().filename());
    return names;
  }
  absl::StatusOr<LayerResult> convert(const LayerJob& job) {
    auto directory = OutputDirectory::create(path("out"));
    if (!directory.ok()) return directory.status();
    ThreadPool pool("compress", 1);
    convert::Progress progress;
    return directory->convert(job, pool, progress);
  }

  TempDir temporary_ = TempDir::create("conversion").value();
  const std::string layer_ = convert::gzip(convert::TarBuilder().file("hello", "world").end());
};

TEST_F(Conversion, ConvertsAFileOnceAndThenFindsIt) {
  const auto jobs = find_layers(write("layer.tar.gz", layer_), "");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_EQ(jobs->size(), 1u);

  const auto first = convert(jobs->front()), second = convert(jobs->front());

  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(first->reused);
  EXPECT_TRUE(second->reused);
  EXPECT_EQ(second->written.index, first->written.index);
  EXPECT_EQ(second->written.index_size, first->written.index_size);
  EXPECT_THAT(output(), UnorderedElementsAre(cache_index::sha256(as_bytes(layer_)).hex()));
}

TEST_F(Conversion, ConvertsAgainWhatIsIncomplete) {
  const auto job = find_layers(write("layer", layer_), "").value().front();
  const auto first = convert(job);
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::resize_file(first->directory + "/blob", 1);

  const auto second = convert(job);

  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->reused);
  EXPECT_EQ(std::filesystem::file_size(second->directory + "/blob"), second->written.info.blob_size);
}

TEST_F(Conversion, RefusesALayerWhoseBytesAreOthersAndLeavesNothing) {
  LayerJob job = find_layers(write("layer", layer_), "").value().front();
  job.layer = cache_index::sha256(as_bytes("something else"));

  const auto result = convert(job);

  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(cache_index::sha256(as_bytes(layer_)).to_string()));
  EXPECT_THAT(output(), IsEmpty());
}

TEST_F(Conversion, LeavesNothingOfADamagedLayer) {
  const auto job = find_layers(write("layer", layer_.substr(0, layer_.size() - 3)), "").value().front();

  EXPECT_EQ(convert(job).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(output(), IsEmpty());
}

TEST_F(Conversion, KeepsASecondWriterOut) {
  const auto first = OutputDirectory::create(path("out"));
  ASSERT_TRUE(first.ok()) << first.status();

  EXPECT_EQ(OutputDirectory::create(path("out")).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(Conversion, NamesASourceThatIsNotThere) {
  EXPECT_EQ(find_layers(path("nothing"), "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(find_layers(temporary_.path() + ":tag", "").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace samara::cli
