#include "cache_index/image_cache.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "image_inventory.h"

namespace samara::cache_index {
namespace {

void append_members(const ImageContents& image, std::vector<Digest>& members) {
  const std::vector<Digest> more = image.members();
  members.insert(members.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Digest> ImageContents::members() const {
  std::vector<Digest> all = objects;
  all.insert(all.end(), layers.begin(), layers.end());
  return all;
}

bool ImageContents::is_meant_by(std::string_view text) const {
  return name == text || (!manifest.is_null() && manifest.to_string() == text);
}

std::string why_it_stays(const ImageState& state) {
  if (!state.image.in_use.empty()) return str_cat("in use by ", state.image.in_use);
  if (state.pins.empty()) return "";
  const Cache::Pin& pin = state.pins.front();
  return str_cat("pinned as \"", pin.name, "\"", pin.reason.empty() ? "" : " (", pin.reason, pin.reason.empty() ? "" : ")");
}

std::uint64_t ImageCache::now() const {
  const auto since_epoch = clock_.wall_now().time_since_epoch();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count()));
}

absl::StatusOr<std::vector<ImageState>> ImageCache::list() const {
  SAMARA_ASSIGN_OR_RETURN(std::vector<ImageContents> images, names_.images());
  SAMARA_ASSIGN_OR_RETURN(std::vector<ImageState> states, take_inventory(cache_, std::move(images)));
  std::erase_if(states, [](const ImageState& state) { return !state.is_here() && state.image.in_use.empty(); });
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.image.name < b.image.name; });
  for (ImageState& state : states)
    if (!state.image.in_use.empty()) state.last_use = now();
  return states;
}

absl::StatusOr<ImageContents> ImageCache::find(const std::string& name) const {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ImageContents> images, names_.images());
  for (const ImageContents& image : images)
    if (image.is_meant_by(name)) return image;
  return absl::NotFoundError(str_cat("no image \"", name, "\" here; `samara image ls` lists them"));
}

absl::StatusOr<ImageCache::Removed> ImageCache::remove(const std::string& name, Cache::Doing doing) {
  SAMARA_ASSIGN_OR_RETURN(std::vector<ImageContents> images, names_.images());
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ImageState> states, take_inventory(cache_, std::move(images)));
  const auto meant = std::find_if(states.begin(), states.end(), [&](const ImageState& state) { return state.image.is_meant_by(name); });
  if (meant == states.end()) return absl::NotFoundError(str_cat("no image \"", name, "\" here; `samara image ls` lists them"));
  if (!meant->image.in_use.empty()) {
    return absl::FailedPreconditionError(
        str_cat("\"", meant->image.name, "\" is in use by ", meant->image.in_use, ": remove it there first (crictl rmi, ctr images rm)"));
  }
  if (const std::string why = why_it_stays(*meant); !why.empty())
    return absl::FailedPreconditionError(str_cat("\"", meant->image.name, "\" is ", why, ": `samara image unpin` takes the pin off"));
  Cache::Removal removal;
  append_members(meant->image, removal.members);
  for (const ImageState& other : states)
    if (&other != &*meant) append_members(other.image, removal.keep);
  Removed removed;
  removed.images.push_back(meant->image.name);
  // The name first: an image that is listed is one that is meant to be here.
  if (doing == Cache::Doing::kRemove) SAMARA_RETURN_IF_ERROR(names_.forget(meant->image.name));
  SAMARA_ASSIGN_OR_RETURN(removed.bytes, cache_.remove(removal, doing));
  return removed;
}

absl::StatusOr<ImageCache::Removed> ImageCache::prune(std::chrono::seconds unused_for, Cache::Doing doing) {
  SAMARA_ASSIGN_OR_RETURN(std::vector<ImageContents> images, names_.images());
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ImageState> states, take_inventory(cache_, std::move(images)));
  const std::uint64_t age = static_cast<std::uint64_t>(std::max<std::int64_t>(0, unused_for.count())), time = now();
  // A use is recorded to ten minutes: with no age asked for, everything is old enough.
  const std::uint64_t before = age == 0 ? ~std::uint64_t{0} : time - std::min(age, time);
  Removed removed;
  Cache::Removal removal;
  removal.everything = true;
  removal.used_before = before;
  for (const ImageState& state : states) {
    std::string why = why_it_stays(state);
    if (why.empty() && state.last_use >= before) why = "used lately";
    if (why.empty()) {
      if (state.is_here()) removed.images.push_back(state.image.name);
      if (doing == Cache::Doing::kRemove) SAMARA_RETURN_IF_ERROR(names_.forget(state.image.name));
    } else {
      removed.kept.push_back({state.image.name, std::move(why)});
      append_members(state.image, removal.keep);
    }
  }
  SAMARA_ASSIGN_OR_RETURN(removed.bytes, cache_.remove(removal, doing));
  return removed;
}

}  // namespace samara::cache_index
