#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "image_source.h"
#include "node_client.h"
#include "progress_line.h"
#include "registry_proxy/image_archive.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Writes images, converted, to FILE (a tar) or into DIR, for sites without a network; `samara import` takes them in there.

Everything comes out of a running site, which fetches and converts what it hasn't got: manifest, config, index and blob of
each layer, what is known of how its containers start, and its signatures, SBOMs and attestations (cosign's tags and what
the registry lists as referrers). Each byte is compared with its digest. The same images give the same file. It is an OCI
image layout with more in it; with --originals, which adds the layers as the registry has them, other tools read it too,
and an ordinary pull works from it at the other end.

Into a directory, what is there already isn't written again: an export that broke off goes on.

Examples:
  samara export python:3.12 python.samara
  samara export registry.example/train:7 registry.example/serve:7 /media/disk/images/ --platform linux/arm64
  samara export app:1 app.tar --originals && skopeo inspect oci-archive:app.tar)";

struct Options {
  std::vector<std::string> words;  // images, then where to
  std::string url = "http://127.0.0.1:7700";
  peer::SiteAccess::Options access;
  ImageSource::Options source;
  bool json = false;
};

absl::Status add_text(registry_proxy::ArchiveWriter& writer, const std::string& name, const std::string& text) {
  return writer.add(name, text.size(), nullptr, [&](const auto& on_bytes) { return on_bytes(as_bytes(text)); });
}

// In a directory the files that make it an archive come last; in a tar the order is only to be the same each time.
absl::Status write_archive(ImageSource& source, const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const auto writer, registry_proxy::ArchiveWriter::create(path));
  for (const auto& [digest, size] : source.sizes()) {
    SAMARA_RETURN_IF_ERROR(writer->add(registry_proxy::archive_path(digest), size, &digest,
                                       [&, &name = digest](const auto& on_bytes) { return source.give(name, on_bytes); }));
  }
  SAMARA_RETURN_IF_ERROR(add_text(*writer, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}\n"));
  SAMARA_RETURN_IF_ERROR(add_text(*writer, "index.json", registry_proxy::encode_layout_index(source.images(), source.sizes())));
  SAMARA_RETURN_IF_ERROR(add_text(*writer, std::string(registry_proxy::kArchiveFile), registry_proxy::encode_archive(source.images())));
  return writer->finish();
}

absl::Status run(const Options& options) {
  if (options.words.size() < 2) return absl::InvalidArgumentError("name at least one image, and where to write: samara export IMAGE FILE");
  const auto notice = [](const std::string& text) { std::fprintf(stderr, "samara: %s\n", text.c_str()); };
  SAMARA_ASSIGN_OR_RETURN(const auto source, ImageSource::create(options.url, options.access, options.source, notice));
  for (std::size_t i = 0; i + 1 < options.words.size(); ++i) SAMARA_RETURN_IF_ERROR(source->add(options.words[i]));
  const std::string& path = options.words.back();
  SAMARA_RETURN_IF_ERROR(write_archive(*source, path));
  std::uint64_t bytes = 0;
  for (const auto& [digest, size] : source->sizes()) bytes += size;
  if (!options.json) {
    for (const registry_proxy::ArchivedImage& image : source->images())
      std::printf("%s  %s  %zu layers, %zu objects\n", image.name.c_str(), image.manifests[0].digest.to_string().c_str(), image.layers.size(), image.objects.size());
    std::printf("%s in %s\n", human_size(bytes).c_str(), path.c_str());
    return absl::OkStatus();
  }
  nlohmann::json images = nlohmann::json::array();
  for (const registry_proxy::ArchivedImage& image : source->images()) {
    images.push_back({{"image", image.name},
                      {"manifest", image.manifests[0].digest.to_string()},
                      {"manifests", image.manifests.size()},
                      {"layers", image.layers.size()},
                      {"objects", image.objects.size()},
                      {"referrers", image.referrers.size()},
                      {"traces", image.traces.size()}});
  }
  print_json({{"path", path}, {"bytes", bytes}, {"images", std::move(images)}});
  return absl::OkStatus();
}

}  // namespace

void add_export(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("export", "Writes converted images to a file or directory");
  command->footer(kHelp);
  const auto options = std::make_shared<Options>();  // the callback below outlives this function
  command->add_option("IMAGE", options->words, "Images, as people write them; last the file, or a directory (with / at its end if it is new)")->required();
  command->add_option("--address", options->url, "The site's URL")->capture_default_str();
  add_site_access(*command, options->access);
  command->add_option("--platform", options->source.platforms, "Of images for several, OS/ARCH[/VARIANT]; else this machine's");
  command->add_flag("--all-platforms", options->source.all_platforms, "All of them");
  command->add_flag("--originals", options->source.originals, "The layers as their registry has them, too");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
