#include "registry_proxy/start_traces.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/index_reader.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kTable = "start_traces";
constexpr std::size_t kMostImages = 10'000;

int http_status(const absl::Status& status) {
  if (status.ok()) return 200;
  if (absl::IsInvalidArgument(status)) return 400;
  if (absl::IsNotFound(status) || absl::IsFailedPrecondition(status) || absl::IsUnavailable(status)) return 404;
  return absl::IsResourceExhausted(status) ? 507 : 500;
}

}  // namespace

std::vector<std::string> StartTraces::tables() { return {std::string(kTable)}; }

Source StartTraces::handle(const http::Request& request, http::ResponseWriter& out) {
  std::string text;
  const auto answer = [&]() -> absl::Status {
    SAMARA_ASSIGN_OR_RETURN(const Digest chain,
                            Digest::parse(std::string_view(request.target.path).substr(peer::kTracesPath.size())));
    if (request.method == "POST") {
      SAMARA_ASSIGN_OR_RETURN(const peer::StartTrace start,
                              peer::from_query([&](std::string_view key) { return request.target.query_value(key); }));
      text = "merged\n";
      return add(chain, start);
    }
    absl::StatusOr<peer::StartTrace> trace = find(chain);
    if (absl::IsNotFound(trace.status()) && parent_ != nullptr) trace = parent_->start_trace(chain);
    SAMARA_RETURN_IF_ERROR(trace.status());
    text = peer::encode(*trace);
    return absl::OkStatus();
  };
  absl::Status status;
  int code = 405;
  if (request.method == "GET" || request.method == "HEAD" || request.method == "POST") {
    status = answer();
    code = http_status(status);
  } else {
    out.header("Allow", "GET, HEAD, POST");
    text = "only GET, HEAD and POST\n";
  }
  if (!status.ok()) text = str_cat(to_std(status.message()), "\n");
  (void)out.respond(code, text, "text/plain");  // a client that left needs no answer
  return Source::kDisk;
}

absl::StatusOr<peer::StartTrace> StartTraces::find(const Digest& chain) const {
  SAMARA_ASSIGN_OR_RETURN(const std::string row, cache_.store().get(kTable, chain.key()));
  absl::StatusOr<peer::StartTrace> trace = peer::decode_start_trace(row);
  if (!trace.ok()) return absl::DataLossError(trace.status().message());
  return trace;
}

absl::Status StartTraces::add(const Digest& chain, const peer::StartTrace& start) {
  if (start.layers.empty() || peer::chain_id(start.layers) != chain)
    return absl::InvalidArgumentError("those layers don't make that chainID");
  const std::lock_guard lock(mutex_);
  SAMARA_RETURN_IF_ERROR(check_layers(start));
  absl::StatusOr<peer::StartTrace> known = find(chain);
  if (absl::IsNotFound(known.status())) SAMARA_RETURN_IF_ERROR(check_room(chain));
  peer::StartTrace trace = known.ok() ? *std::move(known) : peer::StartTrace();  // a damaged one is learned anew
  peer::merge(trace, start);
  return cache_.store().write({{std::string(kTable), chain.key(), peer::encode(trace)}});
}

absl::Status StartTraces::check_layers(const peer::StartTrace& start) {
  const auto converted = [&](const Digest& layer) { return chunk_counts_.contains(layer); };
  if (!std::all_of(start.layers.begin(), start.layers.end(), converted)) look_for_new_layers();
  if (!std::all_of(start.layers.begin(), start.layers.end(), converted))
    return absl::FailedPreconditionError("not all of those layers are converted here");
  const auto is_there = [&](const peer::StartTrace::Chunk& chunk) { return chunk.second < chunk_counts_[chunk.first]; };
  if (std::all_of(start.chunks.begin(), start.chunks.end(), is_there)) return absl::OkStatus();
  return absl::InvalidArgumentError("a chunk that its layer hasn't got");
}

void StartTraces::look_for_new_layers() {
  const auto layers = cache_.layers();
  if (!layers.ok()) return;
  for (const cache_index::LayerRecord& layer : *layers) {
    if (seen_.contains(layer.index)) continue;
    const auto index = cache_index::IndexReader::open(cache_.object_path(layer.index));
    if (!index.ok()) continue;  // evicted, perhaps: its layer is looked at again when it is back
    seen_.insert(layer.index);
    chunk_counts_[(*index)->info().diff_id] = (*index)->info().chunk_count;
  }
}

absl::Status StartTraces::check_room(const Digest& chain) {
  std::size_t images = 0;
  SAMARA_RETURN_IF_ERROR(cache_.store().scan(kTable, "", [&](std::string_view, std::string_view) {
    return ++images < kMostImages;
  }));
  if (images < kMostImages) return absl::OkStatus();
  return absl::ResourceExhaustedError(str_cat("no room for a trace of ", chain.to_string()));
}

}  // namespace samara::registry_proxy
