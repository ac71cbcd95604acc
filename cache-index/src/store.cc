#include "cache_index/store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <map>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::cache_index {
namespace {

constexpr std::size_t kBlockCacheBytes = 32u << 20;   // index and filter blocks included
constexpr int kBlockCacheShards = 3;                   // as a power of two; each must hold far more than one block
constexpr std::size_t kWriteBufferBytes = 4u << 20;   // of one table
constexpr std::size_t kWriteBuffersBytes = 16u << 20;  // of all tables together
constexpr std::size_t kMaxWalBytes = 32u << 20;
constexpr int kBloomBitsPerKey = 10;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

/// The one rocksdb::Status -> absl::Status table.
absl::Status to_status(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = str_cat(doing, ": ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace() || status.IsMemoryLimit()) return absl::ResourceExhaustedError(message);
  if (status.IsInvalidArgument()) return absl::InvalidArgumentError(message);
  if (status.IsBusy() || status.IsTryAgain() || status.IsTimedOut()) return absl::UnavailableError(message);
  return absl::InternalError(message);
}

/// RocksDB has no code of its own for a lock that somebody holds; its messages name the LOCK file.
bool is_lock_held(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos;
}

rocksdb::ColumnFamilyOptions table_options(const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = block_cache;
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  blocks.cache_index_and_filter_blocks = true;  // else they would grow beside the bound
  // In parts of a block's size: whole, those of a large table are larger than the cache takes, and each look-up would
  // read them anew.
  blocks.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  blocks.partition_filters = true;
  blocks.pin_top_level_index_and_filter = true;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  options.write_buffer_size = kWriteBufferBytes;
  options.compression = rocksdb::kNoCompression;  // rows are digests
  return options;
}

/// RocksDB would look for free space again only every few seconds, and refuse to be told in between.
class NoAutomaticRecovery final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* automatic) override {
    *automatic = false;
  }
};

class NoLog final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.db_write_buffer_size = kWriteBuffersBytes;
  options.max_total_wal_size = kMaxWalBytes;
  // All: a table has 64 MiB, so a terabyte of content takes ten of them. With a limit RocksDB keeps them in a cache of 64
  // parts, in which two tables of one part push each other out: then each look-up opens a table anew, 150 us instead of 15.
  options.max_open_files = -1;
  options.max_background_jobs = 2;
  options.manifest_preallocation_size = 64u << 10;
  options.listeners.push_back(std::make_shared<NoAutomaticRecovery>());
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.max_log_file_size = 1u << 20;
  options.keep_log_file_num = 2;
  return options;
}

class RocksStore final : public Store {
 public:
  using Handles = std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>>;

  RocksStore(std::unique_ptr<rocksdb::DB> db, Handles handles) : db_(std::move(db)), handles_(std::move(handles)) {}
  ~RocksStore() override {
    for (auto& [name, handle] : handles_) db_->DestroyColumnFamilyHandle(handle);
  }

  absl::StatusOr<std::string> get(std::string_view table, std::string_view key) const override {
    SAMARA_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, find(table));
    std::string value;
    SAMARA_RETURN_IF_ERROR(to_status(db_->Get({}, handle, slice(key), &value), str_cat("get from ", table)));
    return value;
  }

  absl::StatusOr<std::vector<std::optional<std::string>>> multi_get(
      std::string_view table, const std::vector<std::string>& keys) const override;
  absl::Status write(const std::vector<Change>& changes, Sync sync) override;
  absl::Status scan(std::string_view table, std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override;

 private:
  absl::StatusOr<rocksdb::ColumnFamilyHandle*> find(std::string_view table) const {
    const auto it = handles_.find(table);
    if (it == handles_.end()) return absl::InvalidArgumentError(str_cat("no table ", table));
    return it->second;
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const Handles handles_;
  std::atomic<bool> write_failed_{false};
};

absl::StatusOr<std::vector<std::optional<std::string>>> RocksStore::multi_get(
    std::string_view table, const std::vector<std::string>& keys) const {
  SAMARA_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, find(table));
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet({}, handle, keys.size(), slices.data(), values.data(), statuses.data());

  std::vector<std::optional<std::string>> rows(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    SAMARA_RETURN_IF_ERROR(to_status(statuses[i], str_cat("get from ", table)));
    rows[i] = values[i].ToString();
  }
  return rows;
}

absl::Status RocksStore::write(const std::vector<Change>& changes, Sync sync) {
  rocksdb::WriteBatch batch;
  for (const Change& change : changes) {
    SAMARA_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, find(change.table));
    const rocksdb::Status added =
        change.value ? batch.Put(handle, change.key, *change.value) : batch.Delete(handle, change.key);
    SAMARA_RETURN_IF_ERROR(to_status(added, "batch"));
  }
  // After a failed write RocksDB refuses all others until it is told that the reason may have gone.
  if (write_failed_) {
    const rocksdb::Status resumed = db_->Resume();
    if (!resumed.IsBusy()) {  // else another thread is just doing it
      SAMARA_RETURN_IF_ERROR(to_status(resumed, "resume the database"));
      write_failed_ = false;
    }
  }
  rocksdb::WriteOptions options;
  options.sync = sync == Sync::kYes;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (!status.ok()) write_failed_ = true;
  return to_status(status, "write to the database");
}

absl::Status RocksStore::scan(std::string_view table, std::string_view prefix,
                              const std::function<bool(std::string_view, std::string_view)>& visit) const {
  SAMARA_ASSIGN_OR_RETURN(rocksdb::ColumnFamilyHandle* const handle, find(table));
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, handle));
  for (it->Seek(slice(prefix)); it->Valid() && it->key().starts_with(slice(prefix)); it->Next()) {
    if (!visit(view(it->key()), view(it->value()))) break;
  }
  return to_status(it->status(), str_cat("scan ", table));
}

/// `tables`, those that are on disk already, and the one that RocksDB insists on.
absl::StatusOr<std::vector<std::string>> all_tables(const std::string& path, const std::vector<std::string>& tables) {
  std::vector<std::string> names;
  struct stat st;
  if (::stat(str_cat(path, "/CURRENT").c_str(), &st) == 0) {
    SAMARA_RETURN_IF_ERROR(
        to_status(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names), str_cat("read ", path)));
  }
  names.insert(names.end(), tables.begin(), tables.end());
  names.push_back(rocksdb::kDefaultColumnFamilyName);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::open(const std::string& path, const std::vector<std::string>& tables) {
  SAMARA_RETURN_IF_ERROR(make_directories(path));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<std::string> names, all_tables(path, tables));
  const std::shared_ptr<rocksdb::Cache> block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, kBlockCacheShards);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, table_options(block_cache));

  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> opened;
  const rocksdb::Status status = rocksdb::DB::Open(database_options(), path, descriptors, &opened, &db);
  if (is_lock_held(status)) {
    return absl::UnavailableError(str_cat("the database ", path, " is in use by another process"));
  }
  SAMARA_RETURN_IF_ERROR(to_status(status, str_cat("open the database ", path)));
  RocksStore::Handles handles;
  for (std::size_t i = 0; i < names.size(); ++i) handles.emplace(names[i], opened[i]);
  return std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(db), std::move(handles));
}

absl::StatusOr<std::unique_ptr<Store>> Store::open_read_only(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<std::string> names, all_tables(path, {}));
  const std::shared_ptr<rocksdb::Cache> block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, kBlockCacheShards);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, table_options(block_cache));
  rocksdb::DBOptions options = database_options();
  options.info_log = std::make_shared<NoLog>();  // which else would lie beside that of the other process

  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> opened;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, path, descriptors, &opened, &db);
  SAMARA_RETURN_IF_ERROR(to_status(status, str_cat("read the database ", path)));
  RocksStore::Handles handles;
  for (std::size_t i = 0; i < names.size(); ++i) handles.emplace(names[i], opened[i]);
  return std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(db), std::move(handles));
}

absl::Status Store::repair(const std::string& path) {
  const std::shared_ptr<rocksdb::Cache> block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, kBlockCacheShards);
  const rocksdb::ColumnFamilyOptions options = table_options(block_cache);
  const std::vector<rocksdb::ColumnFamilyDescriptor> known = {{rocksdb::kDefaultColumnFamilyName, options}};
  return to_status(rocksdb::RepairDB(path, database_options(), known, options), str_cat("repair the database ", path));
}

}  // namespace samara::cache_index
