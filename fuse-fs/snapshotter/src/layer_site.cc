#include "snapshotter/layer_site.h"

namespace samara::snapshotter {
namespace {

class ClientSite final : public LayerSite {
 public:
  ClientSite(peer::SiteClient& client, cache_index::Cache& cache) : client_(client), cache_(cache) {}

  absl::StatusOr<peer::LayerStatus> layer_status(const peer::SiteClient::LayerQuery& query,
                                                 std::stop_token stop) override {
    return client_.layer_status(query, std::move(stop));
  }
  absl::Status fetch_object(const Digest& object, std::uint64_t size, std::stop_token stop) override {
    return client_.fetch_object(object, size, cache_, std::move(stop));
  }
  absl::StatusOr<peer::StartTrace> start_trace(const Digest& chain, std::stop_token stop) override {
    return client_.start_trace(chain, std::move(stop));
  }
  absl::Status report_start(const peer::StartTrace& start, std::stop_token stop) override {
    return client_.report_start(start, std::move(stop));
  }

 private:
  peer::SiteClient& client_;
  cache_index::Cache& cache_;
};

}  // namespace

std::unique_ptr<LayerSite> make_layer_site(peer::SiteClient& client, cache_index::Cache& cache) {
  return std::make_unique<ClientSite>(client, cache);
}

}  // namespace samara::snapshotter
