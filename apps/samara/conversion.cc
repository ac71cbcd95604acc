#include "conversion.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "cache_index/index_reader.h"
#include "convert/file_stream.h"
#include "convert/oci_layout.h"

namespace samara::cli {
namespace {

absl::Status remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? errno_status(error.value(), str_cat("remove ", path)) : absl::OkStatus();
}

absl::StatusOr<std::vector<LayerJob>> layout_layers(const std::string& directory, std::string_view tag,
                                                    std::string_view platform) {
  SAMARA_ASSIGN_OR_RETURN(const convert::OciLayout layout, convert::OciLayout::open(directory));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<convert::LayoutImage> images, layout.images(tag, platform));
  std::vector<LayerJob> jobs;
  for (const convert::LayoutImage& image : images) {
    const std::string name = str_cat(image.name.empty() ? image.manifest.brief() : image.name, " ", image.platform);
    for (const convert::LayoutLayer& layer : image.layers) {
      jobs.push_back({.source = name,
                      .path = layout.blob_path(layer.digest),
                      .layer = layer.digest,
                      .size = layer.size,
                      .diff_id = layer.diff_id});
    }
  }
  return jobs;
}

absl::StatusOr<std::vector<LayerJob>> file_layer(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const Fd file, open_file(path, O_RDONLY));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(file.get()));
  SAMARA_ASSIGN_OR_RETURN(const Digest layer, hash_file(path));
  return std::vector<LayerJob>{{.source = path, .path = path, .layer = layer, .size = size, .diff_id = std::nullopt}};
}

bool is_directory(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

absl::StatusOr<Digest> hash_file(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(convert::FileStream file, convert::FileStream::open(path));
  cache_index::Hasher hasher;
  std::vector<std::uint8_t> buffer(256u << 10);
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const std::size_t got, file.read(buffer));
    if (got == 0) return hasher.finish();
    hasher.update(std::span(buffer).first(got));
  }
}

absl::StatusOr<std::vector<LayerJob>> find_layers(const std::string& source, std::string_view platform) {
  if (is_directory(source)) return layout_layers(source, "", platform);
  if (exists(source)) return file_layer(source);
  const auto colon = source.rfind(':');
  if (colon != std::string::npos && is_directory(source.substr(0, colon))) {
    return layout_layers(source.substr(0, colon), std::string_view(source).substr(colon + 1), platform);
  }
  return absl::NotFoundError(str_cat(source, ": no such file or directory"));
}

absl::StatusOr<OutputDirectory> OutputDirectory::create(std::string root) {
  SAMARA_RETURN_IF_ERROR(make_directories(root));
  SAMARA_ASSIGN_OR_RETURN(Fd lock, open_file(root, O_RDONLY | O_DIRECTORY));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return absl::UnavailableError(str_cat(root, ": another process converts into it"));
    return errno_status(errno, str_cat("lock ", root));
  }
  OutputDirectory output(std::move(root), std::move(lock));
  std::error_code ignored;  // frames are only a help
  for (const auto& entry : std::filesystem::directory_iterator(output.root_, ignored)) output.know(entry.path().string());
  return output;
}

void OutputDirectory::know(const std::string& directory) {
  const auto index = cache_index::IndexReader::open(directory + "/index");
  auto blob = open_file(directory + "/blob", O_RDONLY);
  if (index.ok() && blob.ok()) known_.add(**index, *std::move(blob));
}

absl::StatusOr<LayerResult> OutputDirectory::convert(const LayerJob& job, ThreadPool& pool, convert::Progress& progress) {
  if (std::optional<LayerResult> found = find(job)) return *std::move(found);
  absl::StatusOr<LayerResult> result = convert_anew(job, pool, progress);
  if (!result.ok()) (void)remove_all(root_ + "/.incoming");  // the first error is the one that matters
  return result;
}

std::optional<LayerResult> OutputDirectory::find(const LayerJob& job) const {
  const std::string directory = str_cat(root_, "/", job.layer.hex());
  const auto index = cache_index::IndexReader::open(directory + "/index");
  struct stat blob, file;
  const bool complete = index.ok() && ::stat((directory + "/blob").c_str(), &blob) == 0 &&
                        ::stat((directory + "/index").c_str(), &file) == 0 &&
                        static_cast<std::uint64_t>(blob.st_size) == (*index)->info().blob_size &&
                        (!job.diff_id || *job.diff_id == (*index)->info().diff_id);
  if (!complete) return std::nullopt;
  const auto digest = hash_file(directory + "/index");
  if (!digest.ok()) return std::nullopt;
  LayerResult result{.directory = directory, .written = {}, .seconds = 0, .reused = true};
  result.written = {.index = *digest, .index_size = static_cast<std::uint64_t>(file.st_size), .info = (*index)->info()};
  return result;
}

absl::StatusOr<LayerResult> OutputDirectory::convert_anew(const LayerJob& job, ThreadPool& pool,
                                                          convert::Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string incoming = root_ + "/.incoming", directory = str_cat(root_, "/", job.layer.hex());
  SAMARA_RETURN_IF_ERROR(remove_all(incoming));
  SAMARA_RETURN_IF_ERROR(make_directories(incoming));
  SAMARA_ASSIGN_OR_RETURN(convert::FileStream input, convert::FileStream::open(job.path));
  SAMARA_ASSIGN_OR_RETURN(convert::ConvertedLayer converted,
                          convert::convert_layer(input, incoming, job.diff_id, pool, &progress, &known_));
  if (job.layer.algorithm() == Digest::Algorithm::kSha256 && converted.layer != job.layer) {
    return absl::DataLossError(str_cat(job.path, ": its bytes are ", converted.layer.to_string(), ", not what names it"));
  }
  SAMARA_RETURN_IF_ERROR(remove_all(directory));
  if (::rename(incoming.c_str(), directory.c_str()) != 0) return errno_status(errno, str_cat("rename to ", directory));
  know(directory);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return LayerResult{.directory = directory, .written = converted.written, .seconds = took.count(), .reused = false};
}

}  // namespace samara::cli
