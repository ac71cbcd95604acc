#include "cache_index/fsck.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/status.h"
#include "base/text.h"
#include "cache_check.h"
#include "cache_paths.h"
#include "fsck_run.h"

/// The steps of an examination, but for the chunks (fsck_chunks.cc).
namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) paths.push_back(it->path());
  return paths;
}

bool is_part(const std::string& name) {
  constexpr std::string_view kSuffix = ".part";
  if (!name.ends_with(kSuffix)) return false;
  std::string text = name.substr(0, name.size() - kSuffix.size());
  std::replace(text.begin(), text.end(), '-', ':');
  return Digest::parse(text).ok();
}

/// Rows that may be changed while the visitor runs: scan() first, visit after.
absl::Status visit_copies(Store& store, const char* table,
                          const std::function<absl::Status(const std::string& key, const std::string& value)>& visit) {
  std::vector<std::pair<std::string, std::string>> rows;
  SAMARA_RETURN_IF_ERROR(store.scan(table, "", [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  }));
  for (const auto& [key, value] : rows) SAMARA_RETURN_IF_ERROR(visit(key, value));
  return absl::OkStatus();
}

std::string name_of(const std::string& key) {
  const absl::StatusOr<Digest> digest = Digest::from_key(key);
  return digest.ok() ? digest->to_string() : str_cat("a key of ", key.size(), " bytes");
}

}  // namespace

const char* to_string(FsckProblem::Kind kind) {
  switch (kind) {
    case FsckProblem::Kind::kDamagedRow: return "damaged row";
    case FsckProblem::Kind::kRowWithoutBytes: return "row without bytes";
    case FsckProblem::Kind::kBytesWithoutRow: return "bytes without row";
    case FsckProblem::Kind::kAlteredChunk: return "altered chunk";
    case FsckProblem::Kind::kAlteredObject: return "altered object";
    case FsckProblem::Kind::kInterruptedWrite: return "interrupted write";
    case FsckProblem::Kind::kStalePin: break;
  }
  return "stale pin";
}

absl::StatusOr<FsckReport> fsck(const FsckOptions& options) {
  const std::string db = str_cat(options.root, "/db");
  struct stat st;
  if (::stat(str_cat(db, "/CURRENT").c_str(), &st) != 0 && ::stat(str_cat(options.root, "/objects").c_str(), &st) != 0) {
    return absl::NotFoundError(str_cat(options.root, " holds no cache"));
  }
  const std::vector<std::string> tables = {kMetaTable, kObjectsTable, kChunksTable, kLayersTable, kPinsTable};
  absl::StatusOr<std::unique_ptr<Store>> store = Store::open(db, tables);
  bool repaired = false;
  if (options.mend && !store.ok() && !absl::IsUnavailable(store.status())) {
    SAMARA_RETURN_IF_ERROR(Store::repair(db));
    store = Store::open(db, tables);
    repaired = true;
  }
  SAMARA_RETURN_IF_ERROR(store.status());
  SAMARA_RETURN_IF_ERROR(check_format(**store, options.root, OlderFormat::kRefuse));
  FsckRun run(options, **store);
  run.report.database_repaired = repaired;
  SAMARA_RETURN_IF_ERROR(run.run());
  return std::move(run.report);
}

FsckRun::FsckRun(const FsckOptions& options, Store& store)
    : options_(options), store_(store), pool_("fsck", std::max<std::size_t>(1, options.threads)) {}

absl::Status FsckRun::run() {
  SAMARA_RETURN_IF_ERROR(check_incoming());
  SAMARA_RETURN_IF_ERROR(check_objects());
  SAMARA_RETURN_IF_ERROR(check_chunks());
  SAMARA_RETURN_IF_ERROR(check_files());
  return check_small_tables();
}

absl::Status FsckRun::check_incoming() {
  for (const fs::path& path : entries(str_cat(options_.root, "/incoming"))) {
    if (is_part(path.filename().string())) {
      ++report.parts;
      continue;
    }
    note(Kind::kInterruptedWrite, path.string());
    SAMARA_RETURN_IF_ERROR(remove_file(path.string()));
  }
  return absl::OkStatus();
}

absl::Status FsckRun::check_objects() {
  SAMARA_RETURN_IF_ERROR(visit_copies(store_, kObjectsTable, [this](const std::string& key, const std::string& value) {
    return check_object(key, value);
  }));
  for (auto& [digest, file] : files_) {
    ++report.objects;
    if (file.row.complete) SAMARA_RETURN_IF_ERROR(check_content(digest, file));
    told("whole objects", report.bytes, stored_bytes_);
  }
  return absl::OkStatus();
}

absl::Status FsckRun::check_object(const std::string& key, const std::string& value) {
  const absl::StatusOr<Digest> digest = Digest::from_key(key);
  const absl::StatusOr<ObjectRow> row = decode_object_row(value);
  if (!digest.ok() || !row.ok()) {
    note(Kind::kDamagedRow, str_cat("object ", name_of(key)));
    return remove_row(kObjectsTable, key);
  }
  struct stat st;
  const bool exists = ::stat(path_of(*digest).c_str(), &st) == 0;
  File file{.row = *row, .size = exists ? static_cast<std::uint64_t>(st.st_size) : 0};
  if (exists && (!row->complete || file.size == row->size)) {
    if (row->complete) stored_bytes_ += file.size;
    files_.emplace(*digest, std::move(file));
    return absl::OkStatus();
  }
  note(Kind::kRowWithoutBytes, str_cat("object ", digest->to_string()), row->size);
  if (!exists || row->kind == ObjectRow::Kind::kObject) return remove_row(kObjectsTable, key);
  file.row = ObjectRow{.kind = ObjectRow::Kind::kBlob};  // cut short: some of its chunks are there
  files_.emplace(*digest, file);
  return options_.mend ? store_.write({{kObjectsTable, key, encode(file.row)}}) : absl::OkStatus();
}

absl::Status FsckRun::check_content(const Digest& digest, File& file) {
  SAMARA_ASSIGN_OR_RETURN(const Fd fd, open_file(path_of(digest), O_RDONLY));
  const absl::Status right = check_file(digest, fd.get(), file.size);
  report.bytes += file.size;
  if (right.ok()) return absl::OkStatus();
  note(Kind::kAlteredObject, digest.to_string(), file.size);
  if (file.row.kind == ObjectRow::Kind::kObject) {
    SAMARA_RETURN_IF_ERROR(remove_row(kObjectsTable, digest.key()));
    return remove_file(path_of(digest));
  }
  file.row = ObjectRow{.kind = ObjectRow::Kind::kBlob};  // the chunks that are right stay
  return options_.mend ? store_.write({{kObjectsTable, digest.key(), encode(file.row)}}) : absl::OkStatus();
}

absl::Status FsckRun::check_files() {
  for (const fs::path& algorithm : entries(str_cat(options_.root, "/objects"))) {
    for (const fs::path& prefix : entries(algorithm)) {
      for (const fs::path& path : entries(prefix)) {
        const auto digest = Digest::parse(str_cat(algorithm.filename().string(), ":", path.filename().string()));
        const auto file = digest.ok() ? files_.find(*digest) : files_.end();
        if (file != files_.end()) continue;
        struct stat st;
        note(Kind::kBytesWithoutRow, path.string(),
             ::stat(path.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0);
        SAMARA_RETURN_IF_ERROR(remove_file(path.string()));
      }
    }
  }
  for (auto& [digest, file] : files_) {
    if (!file.row.complete && file.row.kind == ObjectRow::Kind::kBlob) SAMARA_RETURN_IF_ERROR(check_gaps(digest, file));
  }
  return absl::OkStatus();
}

absl::Status FsckRun::check_small_tables() {
  SAMARA_RETURN_IF_ERROR(visit_copies(store_, kLayersTable, [this](const std::string& key, const std::string& value) -> absl::Status {
    if (decode_layer_record(key, value).ok()) return absl::OkStatus();
    note(Kind::kDamagedRow, str_cat("layer ", name_of(key)));
    return remove_row(kLayersTable, key);
  }));
  const auto now = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  return visit_copies(store_, kPinsTable, [&](const std::string& key, const std::string& value) -> absl::Status {
    const absl::StatusOr<Cache::Pin> pin = decode_pin(key, value);
    if (pin.ok() && (pin->expires == 0 || pin->expires > now)) return absl::OkStatus();
    note(pin.ok() ? Kind::kStalePin : Kind::kDamagedRow, str_cat("pin ", key));
    return remove_row(kPinsTable, key);
  });
}

void FsckRun::note(Kind kind, std::string what, std::uint64_t bytes) {
  ++report.problem_count;
  if (report.problems.size() < kMostFsckProblems) report.problems.push_back({kind, std::move(what), bytes});
}

absl::Status FsckRun::remove_row(const char* table, const std::string& key) {
  return options_.mend ? store_.write({{table, key, std::nullopt}}) : absl::OkStatus();
}

absl::Status FsckRun::remove_file(const std::string& path) {
  if (!options_.mend) return absl::OkStatus();
  std::error_code error;
  fs::remove_all(path, error);
  return error ? errno_status(error.value(), str_cat("remove ", path)) : absl::OkStatus();
}

void FsckRun::told(const std::string& step, std::uint64_t done, std::uint64_t total) const {
  if (options_.progress) options_.progress(step, done, total);
}

std::string FsckRun::path_of(const Digest& digest) const { return object_path_in(options_.root, digest); }

}  // namespace samara::cache_index
