#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/http/server.h"

namespace samara::registry_proxy {

/// A registry in memory that does what it is told: serves images, wants tokens, hangs, breaks off, lies.
/// Threads: any. The destructor lets everything go on and stops.
class FakeUpstream {
 public:
  FakeUpstream();
  ~FakeUpstream();

  std::string url() const;

  // What it has. Blobs and manifests are in every repository.
  Digest add_blob(std::string bytes);
  void add_blob_as(const Digest& digest, std::string bytes);
  Digest add_manifest(std::string bytes, std::string media_type);
  void set_tag(std::string_view repository, std::string_view tag, const Digest& manifest);
  /// Makes it answer the referrers endpoint for this subject, with `filters` as OCI-Filters-Applied.
  void set_referrers(const Digest& subject, std::string index, std::string filters = "");
  /// An image of these layers, bottom first, tagged; its diffIDs are of `tars`.
  struct Layer {
    std::string bytes;
    std::string tar;
    std::string media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
  };
  struct Image {
    Digest manifest, config;
    std::vector<Digest> layers;
  };
  Image add_image(std::string_view repository, std::string_view tag, const std::vector<Layer>& layers);

  // How it misbehaves. `path` is any part of a request's path.
  void answer(std::string_view path, int status);  ///< 0: as usual again
  void limit(std::string_view path, std::string_view retry_after);  ///< 429 with Retry-After
  void hang(std::string_view path);                ///< until release()
  void pause_blob(const Digest& blob, std::uint64_t at);  ///< sends `at` bytes, then waits for release()
  void release();
  void cut_blob(const Digest& blob, std::uint64_t after, int times);  ///< ends the connection `after` more bytes
  void limit_rest(const Digest& blob, int times);  ///< 429 with Retry-After: 0 to who asks for a range of it
  void corrupt_blob(const Digest& blob);                              ///< the first byte comes out wrong
  void announce(const Digest& blob, std::uint64_t size);              ///< as Content-Length, whatever is sent
  void ignore_ranges();
  void hide_digests();  ///< no Docker-Content-Digest
  void refuse_head();   ///< 405
  void give_all_tags(std::string list);  ///< as they are, whatever page was asked for
  void redirect_blobs(std::string to);
  /// Blobs are at another URL for each request, which works once: as signed URLs of object stores that expire.
  void redirect_blobs_once(FakeUpstream& storage);

  // What it wants to see.
  void want_bearer(std::uint64_t expires_in);  ///< from its own token server
  void want_basic();
  /// This repository is for one user, who is asked for a password; others are as they were.
  void make_private(std::string_view repository, std::string_view user, std::string_view password);
  void accept_no_token();  ///< from now on, of those that it gives
  void accept_password(std::string_view user, std::string_view password);  ///< else tokens are given to anybody

  // What it saw.
  int requests(std::string_view method, std::string_view path_part) const;
  std::vector<std::string> seen_headers(std::string_view path_part, std::string_view name) const;
  /// Blocks until a request, or that many, with this part in the path are there.
  void wait_for_request(std::string_view path_part) { wait_for_requests(path_part, 1); }
  void wait_for_requests(std::string_view path_part, int count);
  void wait_for_gets(std::string_view path_part);

 private:
  struct Blob {
    std::string bytes;
    std::string media_type;
  };
  struct Fault {
    std::optional<std::uint64_t> pause_at;
    std::uint64_t cut_after = 0;
    int cuts = 0, limits = 0;
    bool corrupt = false;
    std::optional<std::uint64_t> announced;
  };

  struct Habits {
    bool ignore_ranges = false, hide_digests = false, refuse_head = false, want_basic = false, refuse_tokens = false;
    std::optional<std::uint64_t> token_lifetime;
    std::string credentials;  // expected Authorization of whoever has a password
    std::string redirect_to;
    std::string tag_list;
    bool new_redirects = false, urls_work_once = false;
  };

  Habits habits() const;
  void change(const std::function<void(Habits&)>& how);
  void handle(const http::Request& request, http::ResponseWriter& out);
  bool misbehave(const std::string& path, http::ResponseWriter& out);
  bool authorized(const http::Request& request, http::ResponseWriter& out);
  void give_token(const http::Request& request, http::ResponseWriter& out);
  void give_tags(const http::Request& request, http::ResponseWriter& out);
  bool give_referrers(const std::string& digest, http::ResponseWriter& out);
  void give_manifest(const std::string& reference, http::ResponseWriter& out);
  void give_blob(const http::Request& request, const std::string& digest, http::ResponseWriter& out);
  void send(const Blob& blob, Fault fault, std::uint64_t begin, http::ResponseWriter& out);
  void wait_for_release();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<http::Request> seen_;
  std::map<std::string, Blob> blobs_;             // by digest
  std::map<std::string, std::string> tags_;       // "repository:tag" -> digest
  std::map<std::string, std::pair<std::string, std::string>> referrers_;  // by subject: index, filters
  std::map<std::string, int> answers_;            // by part of the path
  std::map<std::string, std::string> limits_;     // likewise: Retry-After
  std::map<std::string, std::string> owners_;     // Authorization by repository
  std::set<std::string> spent_;                   // paths that don't work again
  std::vector<std::string> hanging_;
  std::map<std::string, Fault> faults_;           // by digest
  std::uint64_t released_ = 0;
  Habits habits_;
  int tokens_given_ = 0, redirects_ = 0;
  std::unique_ptr<http::Server> server_;
};

}  // namespace samara::registry_proxy
