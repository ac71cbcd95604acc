#include "blob_disk.h"

#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/hasher.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/storage_defs.hpp>

#include "base/log.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

/// So much may wait to be written before peers are asked to pause.
constexpr std::int64_t kMaxBacklog = 16 << 20;

/// Buffers from the heap. One for ever: the last buffers are freed after the disk is gone.
class HeapBuffers final : public lt::buffer_allocator_interface {
 public:
  lt::disk_buffer_holder make(std::size_t size) { return {*this, new char[size], static_cast<int>(size)}; }
  void free_disk_buffer(char* buffer) override { delete[] buffer; }
};
HeapBuffers heap_buffers;

/// libtorrent knows disk errors as errno.
lt::storage_error to_error(const absl::Status& status, lt::operation_t operation) {
  if (status.ok()) return {};
  log::warning("the swarm's disk", {{"operation", lt::operation_name(operation)}, {"error", status}});
  const int code = absl::IsResourceExhausted(status) ? ENOSPC : EIO;
  return lt::storage_error(lt::error_code(code, lt::system_category()), lt::file_index_t(0), operation);
}

std::span<std::uint8_t> bytes_of(char* buffer, std::size_t size) {
  return {reinterpret_cast<std::uint8_t*>(buffer), size};
}

std::uint32_t number(lt::piece_index_t piece) { return static_cast<std::uint32_t>(static_cast<int>(piece)); }

absl::Status no_file() { return absl::NotFoundError("no file for this torrent"); }

lt::sha256_hash leaf_hash(std::span<const std::uint8_t> bytes) {
  const Digest digest = cache_index::sha256(bytes);
  return lt::sha256_hash(reinterpret_cast<const char*>(digest.bytes().data()));
}

/// Fills in the hashes of a piece's 16 KiB blocks.
absl::Status hash_leaves(BlobFile& file, std::uint32_t piece, lt::span<lt::sha256_hash> leaves) {
  if (piece >= file.pieces().count()) return absl::OutOfRangeError("no such piece");
  const std::span<std::uint8_t> bytes = piece_scratch(file.pieces().length(piece));
  if (absl::Status read = file.read_unverified(piece, 0, bytes); !read.ok()) return read;
  std::size_t at = 0;
  std::vector<std::string> blocks;
  for (lt::sha256_hash& leaf : leaves) {
    if (at >= bytes.size()) break;
    const std::size_t size = std::min<std::size_t>(lt::default_block_size, bytes.size() - at);
    leaf = leaf_hash(bytes.subspan(at, size));
    blocks.push_back(leaf.to_string());
    at += size;
  }
  if (at >= bytes.size()) file.hashed(piece, std::move(blocks));
  return absl::OkStatus();
}

}  // namespace

BlobDisk::BlobDisk(lt::io_context& io, BlobFiles& files, Metrics::Counter& sent) : io_(io), files_(files), sent_(sent) {
  for (auto& thread : threads_) thread = std::make_unique<ThreadPool>("swarm-disk", 1);
}

lt::storage_holder BlobDisk::new_torrent(const lt::storage_params& params, const std::shared_ptr<void>&) {
  const lt::storage_index_t index(next_storage_++);
  storages_[index] = files_.find(params.info_hash.to_string());
  return lt::storage_holder(index, *this);
}

void BlobDisk::remove_torrent(lt::storage_index_t storage) { storages_.erase(storage); }

std::shared_ptr<BlobFile> BlobDisk::file(lt::storage_index_t storage) const {
  const auto it = storages_.find(storage);
  return it == storages_.end() ? nullptr : it->second;
}

void BlobDisk::run(lt::storage_index_t storage, lt::piece_index_t piece, std::function<void()> job) {
  const std::size_t thread = (static_cast<std::uint32_t>(storage) + number(piece)) % threads_.size();
  if (threads_[thread] == nullptr) return job();  // aborted: nothing else runs any more
  threads_[thread]->run(std::move(job));
}

void BlobDisk::async_read(lt::storage_index_t storage, const lt::peer_request& request,
                          std::function<void(lt::disk_buffer_holder, const lt::storage_error&)> handler,
                          lt::disk_job_flags_t) {
  run(storage, request.piece, [this, file = file(storage), request, handler = std::move(handler)]() mutable {
    absl::Status status = file == nullptr ? no_file() : absl::OkStatus();
    // Its own bounds are libtorrent's; ours are checked by read().
    const std::size_t size = request.length < 0 || request.start < 0 ? 0 : static_cast<std::size_t>(request.length);
    lt::disk_buffer_holder buffer = heap_buffers.make(size);
    if (status.ok()) {
      status = file->read(number(request.piece), static_cast<std::uint32_t>(request.start), bytes_of(buffer.data(), size));
    }
    if (status.ok()) sent_.add(static_cast<double>(size));
    if (!status.ok()) buffer.reset();
    lt::post(io_, [handler = std::move(handler), buffer = std::move(buffer),
                   error = to_error(status, lt::operation_t::file_read)]() mutable { handler(std::move(buffer), error); });
  });
}

bool BlobDisk::async_write(lt::storage_index_t storage, const lt::peer_request& request, const char* buffer,
                           std::shared_ptr<lt::disk_observer> observer,
                           std::function<void(const lt::storage_error&)> handler, lt::disk_job_flags_t) {
  const std::int64_t size = request.length;
  const bool full = backlog_.bytes.fetch_add(size) + size > kMaxBacklog;
  if (full) {
    const std::lock_guard lock(backlog_.mutex);
    backlog_.waiting.push_back(observer);
  }
  run(storage, request.piece, [this, file = file(storage), request, bytes = std::string(buffer, static_cast<std::size_t>(size)),
                               handler = std::move(handler)]() mutable {
    const absl::Status status = file == nullptr
                                    ? no_file()
                                    : file->write(number(request.piece), static_cast<std::uint32_t>(request.start), as_bytes(bytes));
    lt::post(io_, [handler = std::move(handler), error = to_error(status, lt::operation_t::file_write)] { handler(error); });
    written(static_cast<std::int64_t>(bytes.size()));
  });
  return full;
}

void BlobDisk::written(std::int64_t bytes) {
  if (backlog_.bytes.fetch_sub(bytes) - bytes > kMaxBacklog / 2) return;
  std::vector<std::weak_ptr<lt::disk_observer>> waiting;
  {
    const std::lock_guard lock(backlog_.mutex);
    waiting.swap(backlog_.waiting);
  }
  for (const std::weak_ptr<lt::disk_observer>& observer : waiting) {
    lt::post(io_, [observer] {
      if (const auto alive = observer.lock()) alive->on_disk();
    });
  }
}

void BlobDisk::async_hash(lt::storage_index_t storage, lt::piece_index_t piece, lt::span<lt::sha256_hash> leaves,
                          lt::disk_job_flags_t,
                          std::function<void(lt::piece_index_t, const lt::sha1_hash&, const lt::storage_error&)> handler) {
  // Torrents are v2 only, so nobody asks for SHA-1.
  run(storage, piece, [this, file = file(storage), piece, leaves, handler = std::move(handler)]() mutable {
    const absl::Status status = file == nullptr ? no_file() : hash_leaves(*file, number(piece), leaves);
    lt::post(io_, [handler = std::move(handler), piece, error = to_error(status, lt::operation_t::file_read)] {
      handler(piece, lt::sha1_hash(), error);
    });
  });
}

void BlobDisk::async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset, lt::disk_job_flags_t,
                           std::function<void(lt::piece_index_t, const lt::sha256_hash&, const lt::storage_error&)> handler) {
  run(storage, piece, [this, file = file(storage), piece, offset, handler = std::move(handler)]() mutable {
    absl::Status status = file == nullptr ? no_file() : absl::OkStatus();
    lt::sha256_hash hash;
    if (status.ok() && (number(piece) >= file->pieces().count() || offset < 0 ||
                        static_cast<std::uint32_t>(offset) >= file->pieces().length(number(piece)))) {
      status = absl::OutOfRangeError("no such block");
    }
    if (status.ok()) {
      const auto start = static_cast<std::uint32_t>(offset);
      std::vector<std::uint8_t> block(
          std::min<std::uint32_t>(lt::default_block_size, file->pieces().length(number(piece)) - start));
      status = file->read_unverified(number(piece), start, block);
      if (status.ok()) hash = leaf_hash(block);
    }
    lt::post(io_, [handler = std::move(handler), piece, hash, error = to_error(status, lt::operation_t::file_read)] {
      handler(piece, hash, error);
    });
  });
}

void BlobDisk::async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                                 std::function<void(lt::piece_index_t)> handler) {
  run(storage, piece, [this, piece, handler = std::move(handler)]() mutable {
    lt::post(io_, [handler = std::move(handler), piece] { handler(piece); });
  });
}

void BlobDisk::async_check_files(lt::storage_index_t storage, const lt::add_torrent_params*,
                                 lt::aux::vector<std::string, lt::file_index_t>,
                                 std::function<void(lt::status_t, const lt::storage_error&)> handler) {
  // Which pieces are here was found out before the torrent was added.
  const bool known = file(storage) != nullptr;
  lt::post(io_, [handler = std::move(handler), known] {
    if (known) return handler(lt::status_t::no_error, lt::storage_error());
    handler(lt::status_t::fatal_disk_error, to_error(no_file(), lt::operation_t::file_open));
  });
}

void BlobDisk::async_move_storage(lt::storage_index_t, std::string path, lt::move_flags_t,
                                  std::function<void(lt::status_t, const std::string&, const lt::storage_error&)> handler) {
  lt::post(io_, [handler = std::move(handler), path = std::move(path)] {
    handler(lt::status_t::fatal_disk_error, path,
            lt::storage_error(lt::error_code(EPERM, lt::system_category()), lt::operation_t::file_rename));
  });
}

void BlobDisk::async_release_files(lt::storage_index_t, std::function<void()> handler) {
  if (handler) lt::post(io_, std::move(handler));
}

void BlobDisk::async_stop_torrent(lt::storage_index_t, std::function<void()> handler) {
  if (handler) lt::post(io_, std::move(handler));
}

void BlobDisk::async_rename_file(lt::storage_index_t, lt::file_index_t file, std::string name,
                                 std::function<void(const std::string&, lt::file_index_t, const lt::storage_error&)> handler) {
  lt::post(io_, [handler = std::move(handler), file, name = std::move(name)] {
    handler(name, file, lt::storage_error(lt::error_code(EPERM, lt::system_category()), lt::operation_t::file_rename));
  });
}

void BlobDisk::async_delete_files(lt::storage_index_t, lt::remove_flags_t,
                                  std::function<void(const lt::storage_error&)> handler) {
  lt::post(io_, [handler = std::move(handler)] { handler(lt::storage_error()); });
}

void BlobDisk::async_set_file_priority(
    lt::storage_index_t, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
    std::function<void(const lt::storage_error&, lt::aux::vector<lt::download_priority_t, lt::file_index_t>)> handler) {
  lt::post(io_, [handler = std::move(handler), priorities = std::move(priorities)]() mutable {
    handler(lt::storage_error(), std::move(priorities));
  });
}

void BlobDisk::abort(bool) {
  for (auto& thread : threads_) thread.reset();  // runs what is queued, then joins
}

}  // namespace samara::peer
