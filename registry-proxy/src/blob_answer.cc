#include "blob_answer.h"

#include <algorithm>

#include "checked_passage.h"
#include "oci_error.h"

namespace samara::registry_proxy {

Source BlobAnswer::run() {
  if (auto found = blobs_.find(blob_.digest)) return serve(std::move(*found));
  if (out_.is_head()) return head();
  if (!starts_far_ahead()) return open_and_serve();
  const auto size = blobs_.ask_size(blob_);
  return absl::IsUnimplemented(size.status()) ? open_and_serve() : without_keeping(size);
}

// Straight from upstream: a range far ahead, or no room to keep the blob.
Source BlobAnswer::without_keeping(const absl::StatusOr<std::uint64_t>& size) {
  if (!size.ok()) return fail(size.status());
  const auto answer = choose_range(range_header_, *size, out_);
  return answer ? pass_through(*answer, answer->range.begin) : Source::kUpstream;
}

Source BlobAnswer::serve(Blobs::Opened opened) {
  // What another repository brought is here; whether this one has it too, only the registry knows.
  const auto* const fill = std::get_if<FillReader>(&opened);
  if (fill == nullptr || (*fill)->blob().repository != blob_.repository)
    if (const absl::Status status = blobs_.check_reachable(blob_); !status.ok()) return fail(status);
  if (has_already(request_, blob_.digest)) {
    out_.header("ETag", etag_of(blob_.digest));
    (void)out_.respond(304);  // a client that left needs no answer
    return Source::kDisk;
  }
  if (auto* fill = std::get_if<FillReader>(&opened)) return follow(std::move(*fill));
  answer_object(std::get<cache_index::ObjectFile>(opened), blob_.digest, range_header_, out_);
  return Source::kDisk;
}

Source BlobAnswer::open_and_serve() {
  followed_ = Source::kUpstream;
  auto opened = blobs_.open(blob_);
  if (opened.ok()) return serve(std::move(*opened));
  return absl::IsResourceExhausted(opened.status()) ? without_keeping(blobs_.ask_size(blob_)) : fail(opened.status());
}

// Only its size: no reason to fetch it.
Source BlobAnswer::head() {
  const auto size = blobs_.ask_size(blob_);
  if (absl::IsUnimplemented(size.status())) return open_and_serve();
  if (!size.ok()) return fail(size.status());
  const auto answer = choose_range(range_header_, *size, out_);
  if (answer) (void)answer->begin(blob_.digest, out_);  // a client that left needs no answer
  return Source::kUpstream;
}

Source BlobAnswer::follow(FillReader fill) {
  const auto size = fill->wait_size();
  if (absl::IsResourceExhausted(size.status())) return without_keeping(blobs_.ask_size(blob_));
  if (!size.ok()) return may_do_better(*fill, size.status()) ? open_and_serve() : fail(size.status());
  const auto answer = choose_range(range_header_, *size, out_);
  if (!answer) return followed_;
  if (out_.is_head()) {
    (void)begin_once(*answer);
    return followed_;
  }
  const std::uint64_t near = answer->range.begin - std::min(answer->range.begin, far_ahead_);
  if (near > 0 && !fill->gets_to(near, patience_)) return pass_through(*answer, answer->range.begin);

  std::uint64_t position = answer->range.begin;
  do {
    const auto until = fill->wait_readable(position);
    if (absl::IsResourceExhausted(until.status())) return pass_through(*answer, position, &*fill);  // a full disk
    if (!until.ok()) return fail(until.status());
    const std::uint64_t n = std::min(*until, answer->range.end) - position;
    if (!begin_once(*answer).ok() || !out_.write_file(fill->fd(), position, n).ok()) break;  // the client left
    position += n;
  } while (position < answer->range.end);
  return followed_;
}

// `before`: what has been followed up to `from`.
Source BlobAnswer::pass_through(const RangeAnswer& answer, std::uint64_t from, const Fill* before) {
  const auto give = [&](std::span<const std::uint8_t> data) -> absl::Status {
    if (const absl::Status begun = begin_once(answer); !begun.ok()) return begun;
    return out_.write(data);
  };
  const ByteRange rest{from, answer.range.end};
  absl::Status status;
  if (rest.empty()) {  // nothing that could be asked for
    status = begin_once(answer);
  } else if (answer.range == ByteRange{0, answer.size}) {
    CheckedPassage passage(blob_.digest, answer.size, give);
    if (before != nullptr) status = passage.skip(before->fd(), from);
    if (status.ok())
      status = blobs_.fetch_range(blob_, rest, answer.size, [&](auto data) { return passage.take(data); });
  } else {
    status = blobs_.fetch_range(blob_, rest, answer.size, give);
  }
  if (!status.ok()) fail(status);
  return Source::kUpstream;
}

absl::Status BlobAnswer::begin_once(const RangeAnswer& answer) {
  return out_.started() ? absl::OkStatus() : answer.begin(blob_.digest, out_);
}

// Once an answer has begun, all that is left is to end it short, so that the client sees the cut.
Source BlobAnswer::fail(const absl::Status& status) {
  if (!out_.started()) answer_error(out_, status, Asked::kBlob);
  return Source::kUpstream;
}

bool BlobAnswer::starts_far_ahead() const {
  constexpr std::uint64_t kAnySize = std::uint64_t{1} << 62;
  const auto range = parse_range(range_header_, kAnySize);
  return range.ok() && range->begin > far_ahead_;
}

// Another repository didn't have the blob, or not for us; the client's own may.
bool BlobAnswer::may_do_better(const Fill& fill, const absl::Status& failure) {
  if (tried_again_ || fill.blob().repository == blob_.repository) return false;
  tried_again_ = true;
  return absl::IsNotFound(failure) || absl::IsUnauthenticated(failure) || absl::IsPermissionDenied(failure);
}

}  // namespace samara::registry_proxy
