#include "neighbour_memory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "base/log.h"
#include "base/text.h"

namespace samara::peer {
namespace {

using std::chrono::sys_seconds;

constexpr char kTable[] = "neighbours";
constexpr std::string_view kBlob = "blob ", kKey = "key ";

struct Row {
  sys_seconds said;
  Digest blob;
  NeighbourList list;
};

std::optional<Row> decode(std::string_view key, std::string_view value) {
  const std::size_t end = value.find("\n\n");
  std::int64_t said = 0;
  if (end == std::string_view::npos || !absl::SimpleAtoi(to_absl(value.substr(0, end)), &said)) return std::nullopt;
  const absl::StatusOr<Digest> blob = Digest::parse(key.substr(kBlob.size()));
  absl::StatusOr<NeighbourList> list = decode_neighbour_list(value.substr(end + 2));
  if (!blob.ok() || !list.ok()) return std::nullopt;
  return Row{sys_seconds(std::chrono::seconds(said)), *blob, *std::move(list)};
}

std::string decode_key(std::string_view hex) {
  const bool good = hex.size() == 2 * cache_index::kPublicKeyBytes && hex.find_first_not_of("0123456789abcdef") == hex.npos;
  return good ? absl::HexStringToBytes(to_absl(hex)) : "";
}

}  // namespace

std::vector<std::string> NeighbourMemory::tables() { return {kTable}; }

NeighbourMemory::Known NeighbourMemory::load(const std::vector<std::string>& sites) {
  Known known;
  std::vector<Row> rows;
  std::vector<cache_index::Store::Change> old;
  const auto drop = [&](std::string_view key) { old.push_back({kTable, std::string(key), std::nullopt}); };
  const absl::Status read = store_.scan(kTable, "", [&](std::string_view key, std::string_view value) {
    if (key.starts_with(kKey)) {
      const std::string site(key.substr(kKey.size())), public_key = decode_key(value);
      if (public_key.empty() || std::find(sites.begin(), sites.end(), site) == sites.end()) drop(key);
      else known.keys[site] = public_key;
      return true;
    }
    std::optional<Row> row = key.starts_with(kBlob) ? decode(key, value) : std::nullopt;
    const auto age = row ? now() - row->said : kOldest;
    // A clock that went back says nothing of how old it is.
    if (age < std::chrono::seconds(0) || age >= kOldest) drop(key);
    else rows.push_back(*std::move(row));
    return true;
  });
  if (!read.ok()) log::warning("the neighbours of the last run can't be read", {{"error", read}});
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.said > b.said; });
  for (Row& row : rows) {
    if (known.blobs.size() >= kMostBlobs) {
      drop(str_cat(kBlob, row.blob.to_string()));
      continue;
    }
    written_[row.blob] = row.said;
    known.blobs.emplace(row.blob, std::move(row.list));
  }
  keys_ = known.keys;
  if (!old.empty()) write(old);
  return known;
}

void NeighbourMemory::remember(const Digest& blob, const NeighbourList& list) {
  const auto it = written_.find(blob);
  if (it != written_.end() && now() >= it->second && now() - it->second < kPause) return;
  std::vector<cache_index::Store::Change> changes{
      {kTable, str_cat(kBlob, blob.to_string()), str_cat(now().time_since_epoch().count(), "\n\n", encode(list))}};
  if (it == written_.end() && written_.size() >= kMostBlobs) {
    const auto oldest = std::min_element(written_.begin(), written_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    changes.push_back({kTable, str_cat(kBlob, oldest->first.to_string()), std::nullopt});
    written_.erase(oldest);
  }
  written_[blob] = now();
  write(changes);
}

void NeighbourMemory::remember_key(const std::string& site, const std::string& public_key) {
  std::string& known = keys_[site];
  if (known == public_key) return;
  known = public_key;
  write({{kTable, str_cat(kKey, site), absl::BytesToHexString(to_absl(public_key))}});
}

void NeighbourMemory::write(const std::vector<cache_index::Store::Change>& changes) {
  const absl::Status written = store_.write(changes);
  if (!written.ok()) log::warning("neighbours can't be remembered", {{"error", written}});
}

sys_seconds NeighbourMemory::now() const { return std::chrono::floor<std::chrono::seconds>(clock_.wall_now()); }

}  // namespace samara::peer
