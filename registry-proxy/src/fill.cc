#include "registry_proxy/fill.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "resumes.h"

namespace samara::registry_proxy {
namespace {


std::optional<std::uint64_t> content_length(const http::ResponseHead& head) {
  std::uint64_t length = 0;
  if (!absl::SimpleAtoi(to_absl(head.headers.get("Content-Length")), &length)) return std::nullopt;
  return length;
}

absl::Status differs(std::string_view what, std::uint64_t got, std::uint64_t expected) {
  return absl::DataLossError(str_cat(what, " is ", got, " bytes, expected ", expected));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Fill>> Fill::create(BlobRef blob, Upstream& upstream,
                                                   std::unique_ptr<cache_index::ObjectWriter> writer,
                                                   const Clock& clock, const FillOptions& options) {
  Fd file(::fcntl(writer->fd(), F_DUPFD_CLOEXEC, 0));  // the writer goes when the fill is done, readers may stay
  if (!file.valid()) return errno_status(errno, "dup");
  return std::shared_ptr<Fill>(
      new Fill(std::move(blob), upstream, std::move(writer), std::move(file), clock, options));
}

Fill::Fill(BlobRef blob, Upstream& upstream, std::unique_ptr<cache_index::ObjectWriter> writer, Fd file,
           const Clock& clock, const FillOptions& options)
    : blob_(std::move(blob)),
      upstream_(upstream),
      writer_(std::move(writer)),
      file_(std::move(file)),
      clock_(clock),
      options_(options),
      taken_up_(writer_->size()),
      last_reader_left_(clock.now()) {}

absl::Status Fill::run() {
  absl::Status status = transfer();
  // A registry has nothing behind what an earlier fill, killed just before its end, left: it may be all.
  if (absl::IsOutOfRange(status) && writer_->size() == taken_up_) {
    status = take_all();
    if (status.ok()) log::info("a blob had come whole before", {{"blob", blob_.digest.brief()}});
  }
  if (absl::IsDataLoss(status)) writer_->discard();
  writer_.reset();
  return status;
}

void Fill::finish(const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    status_ = status;
    if (status.ok()) size_ = written_;
  }
  changed_.notify_all();
}

// A body has ended well.
absl::Status Fill::conclude() {
  {
    const std::lock_guard lock(mutex_);
    const std::optional<std::uint64_t> expected = size_ ? size_ : blob_.size;
    if (expected && writer_->size() < *expected)
      return absl::UnavailableError(
          str_cat("blob ", blob_.digest.to_string(), " ended at ", writer_->size(), " of ", *expected, " bytes"));
  }
  return take_all();
}

absl::Status Fill::take_all() {
  SAMARA_RETURN_IF_ERROR(writer_->commit());
  const std::lock_guard lock(mutex_);
  written_ = writer_->size();
  return absl::OkStatus();
}

// Everything, with as many requests as it takes.
absl::Status Fill::transfer() {
  Resumes resumes(options_, taken_up_);
  while (true) {
    const absl::Status status = transfer_rest();
    if (status.ok()) return status;
    const auto pause = resumes.pause_after(status, writer_->size());
    if (!pause) return status;
    log::info("resuming a blob", {{"blob", blob_.digest.brief()}, {"at", writer_->size()}, {"error", status}});
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop_.get_token(), *pause, [] { return false; });
  }
}

// One request for what is missing.
absl::Status Fill::transfer_rest() {
  const std::uint64_t offset = writer_->size();
  Upstream::Request request;
  request.repository = blob_.repository.name;
  request.reference = blob_.digest.to_string();
  request.as = blob_.as;
  request.stop = stop_.get_token();
  request.check = [this] { return conclude(); };
  if (offset > 0) request.range = ByteRange{offset, Upstream::kOpenEnd};
  skip_ = 0;
  return upstream_.fetch(
      request, [&](const http::ResponseHead& head) { return take_head(head, offset); },
      [this](std::span<const std::uint8_t> data) { return take_body(data); });
}

absl::Status Fill::take_head(const http::ResponseHead& head, std::uint64_t offset) {
  std::optional<std::uint64_t> total;
  if (head.status == 206) {
    const auto part = parse_content_range(head.headers.get("Content-Range"));
    if (!part.ok() || part->range.begin != offset)
      return absl::DataLossError("the registry answered another range than the one asked for");
    total = part->total;
  } else {
    total = content_length(head);
    skip_ = offset;
  }
  if (total) SAMARA_RETURN_IF_ERROR(set_size(*total));
  // Only now: upstream gives the blob to whoever asks here, so what came of it earlier may be seen too.
  const std::lock_guard lock(mutex_);
  written_ = writer_->size();
  return absl::OkStatus();
}

absl::Status Fill::set_size(std::uint64_t size) {
  if (blob_.size && size != *blob_.size) return differs("the registry's blob", size, *blob_.size);
  if (size > options_.max_size)
    return absl::ResourceExhaustedError(str_cat("a blob of ", size, " bytes is more than can be kept"));
  {
    const std::lock_guard lock(mutex_);
    if (size_ && *size_ != size) return differs("the registry's blob now", size, *size_);
    if (size < writer_->size()) return differs("what came earlier", writer_->size(), size);
    size_ = size;
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status Fill::take_body(std::span<const std::uint8_t> data) {
  const std::uint64_t dropped = std::min<std::uint64_t>(skip_, data.size());
  skip_ -= dropped;
  data = data.subspan(dropped);
  if (abandoned()) return absl::CancelledError("nobody waits for the blob any more");
  const std::uint64_t limit = size_.value_or(blob_.size.value_or(options_.max_size));  // written by this thread only
  if (data.size() > limit - std::min(limit, writer_->size()))
    return absl::DataLossError(str_cat("the blob is longer than ", limit, " bytes"));
  SAMARA_RETURN_IF_ERROR(writer_->append(data));
  {
    const std::lock_guard lock(mutex_);
    written_ += data.size();
  }
  changed_.notify_all();
  return absl::OkStatus();
}

bool Fill::abandoned() const {
  const std::lock_guard lock(mutex_);
  return readers_ == 0 && clock_.now() - last_reader_left_ > options_.abandon_after;
}

void Fill::attach() {
  const std::lock_guard lock(mutex_);
  ++readers_;
}

void Fill::detach() {
  const std::lock_guard lock(mutex_);
  --readers_;
  last_reader_left_ = clock_.now();
}

std::uint64_t Fill::readable_locked() const {
  if (done_) return status_.ok() ? written_ : 0;
  // Of a size that isn't known yet, any byte may be among the last.
  const std::uint64_t end = size_.value_or(written_);
  return std::min(written_, end - std::min(end, kWithheld));
}

std::uint64_t Fill::readable() const {
  const std::lock_guard lock(mutex_);
  return readable_locked();
}

absl::StatusOr<std::uint64_t> Fill::wait_size(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [this] { return size_.has_value() || done_; }))
    return absl::CancelledError("stopped waiting for a blob");
  if (done_ && !status_.ok()) return status_;
  return *size_;
}

bool Fill::gets_to(std::uint64_t offset, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return done_ || readable_locked() > offset; });
}

absl::StatusOr<std::uint64_t> Fill::wait_readable(std::uint64_t offset, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return done_ || readable_locked() > offset; }))
    return absl::CancelledError("stopped waiting for a blob");
  if (done_ && !status_.ok()) return status_;
  return std::max(offset, readable_locked());
}

}  // namespace samara::registry_proxy
