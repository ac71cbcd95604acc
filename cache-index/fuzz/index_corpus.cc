// Writes the indexes of a few small layers into a directory: where the fuzzer starts from.
#include <cstdio>

#include "base/file.h"
#include "base/status.h"
#include "sample_layer.h"

namespace samara::cache_index {
namespace {

absl::Status write_corpus(const std::string& directory) {
  const std::vector<std::vector<SampleEntry>> layers = {
      {},
      {{.path = "file", .content = "content"}},
      {{.path = "a/b/c", .content = sample_bytes(1, 200'000)},
       {.path = "a/link", .mode = S_IFLNK | 0777, .content = "b/c"},
       {.path = "hard", .hard_link_to = "a/b/c"},
       {.path = "x", .content = "x", .xattrs = {{"user.a", "1"}, {"user.b", "2"}}}},
      {{.path = "null", .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3},
       {.path = "sparse", .content = "x", .hole = 3'000'000}},
  };
  SAMARA_RETURN_IF_ERROR(make_directories(directory));
  SAMARA_ASSIGN_OR_RETURN(const TempDir temp, TempDir::create("index-corpus"));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    SAMARA_ASSIGN_OR_RETURN(const SampleLayer layer, write_sample_layer(temp.path(), layers[i]));
    SAMARA_ASSIGN_OR_RETURN(const std::string index, read_file(layer.index_path));
    SAMARA_RETURN_IF_ERROR(write_file_atomic(directory + "/layer-" + std::to_string(i), index));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace samara::cache_index

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: index_corpus DIRECTORY\n", stderr), 2;
  const absl::Status status = samara::cache_index::write_corpus(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "index_corpus: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
