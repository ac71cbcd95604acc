#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "node_client.h"
#include "pins_client.h"
#include "progress_line.h"
#include "registry_proxy/image_archive.h"
#include "seed_client.h"

namespace samara::cli {
namespace {

namespace api = seed::v1;
using registry_proxy::ArchivedImage;
using registry_proxy::ArchiveFiles;

constexpr const char* kHelp = R"(Takes the images of a file or directory that `samara export` wrote into the site on this machine. It needs no network, and
root: whoever imports says what names mean at this site.

The site compares every object with its digest, and proves every layer: its index and blob must give the tar that the
image's config names. Only then it names the image, and from there on serves it, with its signatures, to everybody who may
use the site, as if its registry had given it and were away. What is there already isn't brought again; an import that
broke off goes on where it was, and nothing shows of it until it is whole.

An imported image is pinned for good, since nobody could bring it again; --pin gives it less, --no-pin nothing.

Examples:
  samara import python.samara
  samara import /media/disk/images/ --pin 720h
  samara import python.samara --list)";

constexpr std::size_t kPart = 1u << 20;
constexpr std::uint64_t kMaxListBytes = 1u << 20, kMaxTraceBytes = 1u << 20;
constexpr int kTries = 5;

struct Options {
  SeedAddress seed;
  std::string path, pin;
  bool no_pin = false, list = false, json = false;
};

struct Imported {
  std::uint64_t brought = 0, here_already = 0;  // bytes
};

// Told before anything begins: a file that was cut, or copied in part.
absl::Status check_complete(const ArchiveFiles& files, const ArchivedImage& image) {
  for (const Digest& object : image.objects)
    if (const auto size = files.size(registry_proxy::archive_path(object)); !size.ok()) return annotate(size.status(), image.name);
  for (const auto& layer : image.layers) {
    for (const auto& [digest, bytes] : {std::pair(layer.index, layer.index_size), std::pair(layer.blob, layer.blob_size)}) {
      SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, files.size(registry_proxy::archive_path(digest)));
      if (size != bytes) return absl::DataLossError(str_cat(registry_proxy::archive_path(digest), " has ", size, " bytes; ", bytes, " are announced: the archive is damaged"));
    }
  }
  return absl::OkStatus();
}

absl::Status put(const SeedClient& seed, const ArchiveFiles& files, const Digest& object, std::uint64_t offset, std::uint64_t& brought) {
  const std::string name = registry_proxy::archive_path(object);
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, files.size(name));
  grpc::ClientContext context;
  seed.prepare(context);
  api::PutObjectResponse response;
  const auto writer = seed.stub().PutObject(&context, &response);
  api::PutObjectRequest part;
  part.set_object(object.to_string());
  part.set_offset(offset);
  part.set_size(size);
  bool goes_on = writer->Write(part);
  std::string bytes;
  absl::Status read;
  for (std::uint64_t at = offset; at < size && goes_on && read.ok(); at += bytes.size()) {
    bytes.resize(std::min<std::uint64_t>(kPart, size - at));
    read = files.read_at(name, at, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    part.Clear();
    part.set_data(bytes);
    if (read.ok()) goes_on = writer->Write(part);
    if (goes_on) brought += bytes.size();
  }
  writer->WritesDone();
  const absl::Status done = seed.to_status(writer->Finish());
  return read.ok() ? done : read;
}

// An object that comes out wrong has come damaged from an earlier try, or is damaged in the archive: twice tells.
absl::Status bring(const SeedClient& seed, const ArchiveFiles& files, const ArchivedImage& image, Imported& done) {
  api::OfferObjectsRequest request;
  request.set_image(image.name);
  for (const Digest& object : image.objects) request.add_objects(object.to_string());
  absl::Status last;
  for (int tries = 0; tries < kTries; ++tries) {
    SAMARA_ASSIGN_OR_RETURN(const api::OfferObjectsResponse offered, seed.ask<api::OfferObjectsResponse>(&api::Seed::Stub::OfferObjects, request));
    if (offered.wanted().empty()) return absl::OkStatus();
    last = absl::OkStatus();
    for (const auto& wanted : offered.wanted()) {
      SAMARA_ASSIGN_OR_RETURN(const Digest object, Digest::parse(wanted.object()));
      const absl::Status status = put(seed, files, object, wanted.offset(), done.brought);
      if (status.ok()) continue;
      last = annotate(status, registry_proxy::archive_path(object));
      const bool again = absl::IsAborted(status) || (absl::IsDataLoss(status) && tries == 0);
      if (!again) return last;
    }
  }
  return last.ok() ? absl::AbortedError(str_cat("objects of ", image.name, " come and go: is the disk full?")) : last;
}

absl::Status publish(const SeedClient& seed, const ArchiveFiles& files, const ArchivedImage& image, const Options& options) {
  api::PublishImageRequest request;
  request.set_image(image.name);
  for (const auto& manifest : image.manifests) {
    auto* const one = request.add_manifests();
    one->set_digest(manifest.digest.to_string());
    one->set_media_type(manifest.media_type);
    one->set_tag(manifest.tag);
  }
  for (const auto& layer : image.layers) {
    auto* const one = request.add_layers();
    one->set_layer(layer.layer.to_string());
    one->set_index(layer.index.to_string());
    one->set_index_size(layer.index_size);
    one->set_blob(layer.blob.to_string());
    one->set_blob_size(layer.blob_size);
  }
  for (const auto& referrers : image.referrers) {
    SAMARA_ASSIGN_OR_RETURN(const std::string list, files.read_object(referrers.list, kMaxListBytes));
    auto* const one = request.add_referrers();
    one->set_subject(referrers.subject.to_string());
    one->set_list(list);
  }
  for (const Digest& trace : image.traces) {
    SAMARA_ASSIGN_OR_RETURN(const std::string text, files.read_object(trace, kMaxTraceBytes));
    request.add_traces(text);
  }
  if (!options.pin.empty()) {
    SAMARA_ASSIGN_OR_RETURN(const std::uint64_t seconds, seconds_of(options.pin, "--pin"));
    request.set_pin_seconds(seconds);
  }
  request.set_pin_for_good(options.pin.empty() && !options.no_pin);
  request.set_pin_reason(str_cat("imported by ", who_asks()));
  grpc::ClientContext context;  // no deadline: every byte of the image is read and hashed
  seed.prepare(context);
  api::PublishImageResponse response;
  return seed.to_status(seed.stub().PublishImage(&context, request, &response));
}

std::uint64_t bytes_of(const ArchiveFiles& files, const ArchivedImage& image) {
  std::uint64_t bytes = 0;
  for (const Digest& object : image.objects) bytes += files.size(registry_proxy::archive_path(object)).value_or(0);
  return bytes;
}

void print(const ArchivedImage& image, std::uint64_t bytes, const Imported* imported) {
  std::printf("%s  %s  %zu layers, %s", image.name.c_str(), image.manifests[0].digest.to_string().c_str(), image.layers.size(), human_size(bytes).c_str());
  if (imported != nullptr) std::printf(", %s brought, %s here already", human_size(imported->brought).c_str(), human_size(imported->here_already).c_str());
  std::printf("\n");
}

nlohmann::json to_json(const ArchivedImage& image, std::uint64_t bytes, const Imported& imported) {
  return {{"image", image.name},           {"manifest", image.manifests[0].digest.to_string()}, {"manifests", image.manifests.size()},
          {"layers", image.layers.size()}, {"objects", image.objects.size()},                   {"bytes", bytes},
          {"bytes_brought", imported.brought}, {"bytes_here_already", imported.here_already}};
}

absl::Status run(const Options& options) {
  if (options.no_pin && !options.pin.empty()) return absl::InvalidArgumentError("--pin and --no-pin exclude each other");
  SAMARA_ASSIGN_OR_RETURN(const auto files, ArchiveFiles::open(options.path));
  const absl::StatusOr<std::string> text = files->read(std::string(registry_proxy::kArchiveFile), registry_proxy::kMaxArchiveFileBytes);
  if (absl::IsNotFound(text.status())) return absl::InvalidArgumentError(str_cat(options.path, " isn't what `samara export` writes: it has no ", registry_proxy::kArchiveFile));
  SAMARA_RETURN_IF_ERROR(text.status());
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ArchivedImage> images, registry_proxy::parse_archive(*text));
  for (const ArchivedImage& image : images) SAMARA_RETURN_IF_ERROR(check_complete(*files, image));
  nlohmann::json all = nlohmann::json::array();
  absl::StatusOr<SeedClient> seed = absl::UnavailableError("not asked");
  if (!options.list) seed = SeedClient::connect(options.seed);
  for (const ArchivedImage& image : images) {
    Imported imported;
    const std::uint64_t bytes = bytes_of(*files, image);
    if (!options.list) {
      SAMARA_RETURN_IF_ERROR(seed.status());
      SAMARA_RETURN_IF_ERROR(annotate(bring(*seed, *files, image, imported), image.name));
      imported.here_already = bytes - std::min(bytes, imported.brought);
      SAMARA_RETURN_IF_ERROR(annotate(publish(*seed, *files, image, options), image.name));
    }
    if (options.json) {
      all.push_back(to_json(image, bytes, imported));
    } else {
      print(image, bytes, options.list ? nullptr : &imported);
    }
  }
  if (options.json) print_json({{"images", std::move(all)}});
  return absl::OkStatus();
}

}  // namespace

void add_import(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("import", "Takes exported images into the site on this machine");
  command->footer(kHelp);
  const auto options = std::make_shared<Options>();  // the callback below outlives this function
  command->add_option("PATH", options->path, "What `samara export` wrote")->required();
  add_seed_address(*command, options->seed);
  command->add_option("--pin", options->pin, "Keep them from eviction for so long, e.g. 720h, instead of for good");
  command->add_flag("--no-pin", options->no_pin, "Let evictions have them");
  command->add_flag("--list", options->list, "Only say what is in it");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
