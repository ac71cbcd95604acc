#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "image_client.h"
#include "node_client.h"
#include "pins_client.h"
#include "progress_line.h"
#include "proto_json.h"
#include "site_options.h"
#include "terminal.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr const char* kHelp = R"(The images in the cache of a node or, with its URL, of a site: what is here and how much of it, what others share, when it
was used last, and who wants it kept until when.

  ls      one line an image:  HERE   how much of what it takes is here; "?" while a layer's index isn't
                              SIZE   compressed bytes here     SHARED  of those, what another image here needs too
                              USED   when any of it was used last, to ten minutes
  show    an image's layers, pins, and with whom it shares each layer
  pin     keeps it from every eviction, for good or --for a time      unpin   no longer
  rm      removes it: what it shares, what is pinned and what containers use stays
  prune   removes the images that nobody pins, uses or has used for a week (--unused-for), and what lies here for no image

On a node an image is there once it was warmed or a container was started from it; on a site once it was pulled through
it. What was removed comes again when somebody asks for it. `samara warm IMAGE --plan` tells which nodes of a site lack what.
--json prints messages of samara.node.v1 (node.proto): ImagesResponse, Image, RemovedImages; the same of nodes and sites.

Examples:
  samara image ls
  samara image ls --address http://127.0.0.1:7700 --json
  samara image pin python:3.12 --for 24h --reason "nightly batch"
  samara image rm python:3.11
  samara image prune --unused-for 48h --plan)";

struct Options {
  std::string address = kNodeAddress;
  peer::SiteAccess::Options access;  // to a site
  std::vector<std::string> images;
  std::string filter, reason, duration, unused_for = "168h";
  bool plan = false, json = false;
};

std::string ago(std::uint64_t seconds) {
  if (seconds == 0) return "-";
  const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  if (seconds + 600 > now) return "just now";
  const std::uint64_t age = now - seconds;
  return str_cat(age >= 2 * 86'400 ? str_cat(age / 86'400, "d") : human_time(age), " ago");
}

std::string share_here(const api::Image& image) {
  const bool unknown = std::any_of(image.layers().begin(), image.layers().end(), [](const auto& layer) { return layer.bytes_total() == 0; });
  if (unknown) return "?";
  if (image.complete()) return "100%";
  const std::uint64_t total = std::max<std::uint64_t>(1, image.bytes_total());
  return str_cat(std::min<std::uint64_t>(99, image.bytes() * 100 / total), "%");
}

std::string pins_text(const api::Image& image) {
  if (image.pins().empty()) return "-";
  std::uint64_t last = 0;
  for (const api::Pin& pin : image.pins()) {
    if (pin.expires() == 0) return "for good";
    last = std::max(last, pin.expires());
  }
  return str_cat("until ", time_text(last));
}

void print_list(const api::ImagesResponse& images, const std::string& filter) {
  std::vector<std::vector<std::string>> rows = {{"IMAGE", "HERE", "SIZE", "SHARED", "USED", "PINNED", "IN USE"}};
  for (const api::Image& image : images.images()) {
    if (image.name().find(filter) == std::string::npos) continue;
    rows.push_back({image.name(), share_here(image), human_size(image.bytes()), human_size(image.bytes_shared()), ago(image.last_use()),
                    pins_text(image), image.in_use().empty() ? "-" : "yes"});
  }
  if (rows.size() > 1) return print_table(rows);
  std::printf("%s\n", filter.empty() ? "no images" : "no image with that in its name");
}

absl::Status list(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const auto at, images_at(options.address, options.access));
  SAMARA_ASSIGN_OR_RETURN(api::ImagesResponse images, at->list(""));
  if (!options.json) {
    print_list(images, options.filter);
    return absl::OkStatus();
  }
  api::ImagesResponse wanted;
  for (const api::Image& image : images.images())
    if (image.name().find(options.filter) != std::string::npos) *wanted.add_images() = image;
  print_json(to_json(wanted));
  return absl::OkStatus();
}

void print_layers(const api::Image& image) {
  std::vector<std::vector<std::string>> rows = {{"  LAYER", "HERE", "OF", "ORIGINAL", "SHARED WITH"}};
  for (const api::ImageLayer& layer : image.layers()) {
    std::string others;
    for (const std::string& name : layer.shared_with()) str_append(&others, others.empty() ? "" : ", ", name);
    rows.push_back({"  " + layer.digest(), human_size(layer.bytes()), layer.bytes_total() == 0 ? "?" : human_size(layer.bytes_total()),
                    layer.original_bytes() == 0 ? "-" : human_size(layer.original_bytes()), others.empty() ? "-" : others});
  }
  print_table(rows);
}

absl::Status show(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::string name, full_image_name(options.images.at(0)));
  SAMARA_ASSIGN_OR_RETURN(const auto at, images_at(options.address, options.access));
  SAMARA_ASSIGN_OR_RETURN(const api::ImagesResponse images, at->list(name));
  if (images.images().empty()) return absl::NotFoundError(str_cat("no image \"", name, "\" here; `samara image ls` lists them"));
  if (options.json) {
    print_json(to_json(images.images(0)));
    return absl::OkStatus();
  }
  for (const api::Image& image : images.images()) {
    std::printf("%s\n  manifest  %s\n  here      %s, %s of %s compressed, %s of it shared with other images\n  last use  %s\n  in use    %s\n",
                image.name().c_str(), image.manifest().empty() ? "not known here" : image.manifest().c_str(), share_here(image).c_str(),
                human_size(image.bytes()).c_str(), human_size(image.bytes_total()).c_str(), human_size(image.bytes_shared()).c_str(),
                ago(image.last_use()).c_str(), image.in_use().empty() ? "no" : str_cat("by ", image.in_use()).c_str());
    for (const api::Pin& pin : image.pins()) {
      std::printf("  pinned    as \"%s\", %s%s%s\n", pin.name().c_str(),
                  pin.expires() == 0 ? "for good" : str_cat("until ", time_text(pin.expires())).c_str(), pin.reason().empty() ? "" : ": ",
                  pin.reason().c_str());
    }
    print_layers(image);
  }
  return absl::OkStatus();
}

absl::Status pin(const Options& options) {
  std::uint64_t seconds = 0;
  if (!options.duration.empty()) {
    SAMARA_ASSIGN_OR_RETURN(seconds, seconds_of(options.duration, "--for"));
  }
  SAMARA_ASSIGN_OR_RETURN(const auto pins, pins_at(options.address, options.access));
  for (const std::string& image : options.images) {
    SAMARA_ASSIGN_OR_RETURN(const std::string name, full_image_name(image));
    SAMARA_RETURN_IF_ERROR(pins->add(name, str_cat(who_asks(), options.reason.empty() ? "" : ": ", options.reason), seconds));
  }
  return absl::OkStatus();
}

// Those that `image pin` made, and those of warm jobs for that very image.
absl::Status unpin(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const auto at, pins_at(options.address, options.access));
  for (const std::string& image : options.images) {
    SAMARA_ASSIGN_OR_RETURN(const std::string name, full_image_name(image));
    SAMARA_ASSIGN_OR_RETURN(const nlohmann::json pins, at->list());
    bool found = false;
    for (const nlohmann::json& pin : pins) {
      const std::string pinned = pin.value("name", "");
      if (pinned != name && !pinned.starts_with(str_cat("warm ", name, "@"))) continue;
      SAMARA_RETURN_IF_ERROR(at->remove(pinned));
      found = true;
    }
    if (!found) return absl::NotFoundError(str_cat("no pin of \"", name, "\" here; `samara pins` lists them"));
  }
  return absl::OkStatus();
}

void print_removed(const api::RemovedImages& removed, bool plan) {
  for (const std::string& name : removed.images()) std::printf("%s %s\n", plan ? "would remove" : "removed", name.c_str());
  for (const api::KeptImage& kept : removed.kept()) std::printf("%s %s: %s\n", plan ? "would keep" : "kept", kept.name().c_str(), kept.why().c_str());
  std::printf("%s %s\n", human_size(removed.bytes()).c_str(), plan ? "would become free" : "freed");
}

absl::Status remove(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const auto at, images_at(options.address, options.access));
  api::RemovedImages all;
  for (const std::string& image : options.images) {
    SAMARA_ASSIGN_OR_RETURN(const std::string name, full_image_name(image));
    SAMARA_ASSIGN_OR_RETURN(const api::RemovedImages removed, at->remove(name, options.plan));
    if (!options.json) print_removed(removed, options.plan);
    for (const std::string& one : removed.images()) all.add_images(one);
    all.set_bytes(all.bytes() + removed.bytes());
  }
  if (options.json) print_json(to_json(all));
  return absl::OkStatus();
}

absl::Status prune(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t seconds, seconds_of(options.unused_for, "--unused-for"));
  SAMARA_ASSIGN_OR_RETURN(const auto at, images_at(options.address, options.access));
  SAMARA_ASSIGN_OR_RETURN(const api::RemovedImages removed, at->prune(seconds, options.plan));
  if (options.json) {
    print_json(to_json(removed));
  } else {
    print_removed(removed, options.plan);
  }
  return absl::OkStatus();
}

CLI::Option* add_names(CLI::App& command, Options& options) {
  return command.add_option("IMAGE", options.images, "As `samara image ls` shows it or people write it, or its manifest's digest")->required();
}

}  // namespace

void add_image(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* const image = app.add_subcommand("image", "Looks at the images in a cache, keeps them or removes them");
  image->footer(kHelp);
  image->require_subcommand(1);
  const auto command = [&](const char* name, const char* description, absl::Status (*run)(const Options&)) {
    CLI::App* const sub = image->add_subcommand(name, description);
    sub->footer(kHelp);
    sub->add_option("--address", options->address, "The node's socket, or the site's URL")->capture_default_str();
    add_site_access(*sub, options->access);
    sub->callback([options, run, &exit_code] { exit_code = report(run(*options)); });
    return sub;
  };
  const auto with_json = [&](CLI::App* sub) { sub->add_flag("--json", options->json, "Print JSON"); };
  const auto with_plan = [&](CLI::App* sub) { sub->add_flag("--plan", options->plan, "Say what would go, and remove nothing"); };

  CLI::App* const ls = command("ls", "Lists the images here", list);
  ls->add_option("NAME", options->filter, "Only those with this in their names");
  with_json(ls);
  CLI::App* const shown = command("show", "Tells an image's layers and pins", show);
  add_names(*shown, *options)->expected(1);
  with_json(shown);
  CLI::App* const pinned = command("pin", "Keeps images from every eviction", pin);
  add_names(*pinned, *options);
  pinned->add_option("--for", options->duration, "Until it expires, e.g. 90m or 24h; without it for good");
  pinned->add_option("--reason", options->reason, "Why, for whoever asks later");
  add_names(*command("unpin", "Lets evictions have them again", unpin), *options);
  CLI::App* const removed = command("rm", "Removes images", remove);
  add_names(*removed, *options);
  with_plan(removed);
  with_json(removed);
  CLI::App* const pruned = command("prune", "Removes what nobody wants any more", prune);
  pruned->add_option("--unused-for", options->unused_for, "Only what was used last so long ago; 0s: whatever isn't pinned or in use")->capture_default_str();
  with_plan(pruned);
  with_json(pruned);
}

}  // namespace samara::cli
