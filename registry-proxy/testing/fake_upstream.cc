#include "fake_upstream.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "base/byte_range.h"
#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::registry_proxy {
namespace {

constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";

std::string descriptor(std::string_view media_type, const Digest& digest, std::size_t size) {
  return str_cat("{\"mediaType\":\"", media_type, "\",\"digest\":\"", digest.to_string(), "\",\"size\":", size, "}");
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string repository_of(const std::string& path, std::string_view kind) {
  const std::size_t end = path.rfind(str_cat("/", kind, "/"));
  return path.substr(4, end - 4);
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

FakeUpstream::FakeUpstream() {
  server_ = *http::Server::create({}, [this](const auto& request, auto& out) { handle(request, out); });
}

FakeUpstream::~FakeUpstream() {
  {
    const std::lock_guard lock(mutex_);
    hanging_.clear();
    faults_.clear();
  }
  release();
  server_->stop();
}

std::string FakeUpstream::url() const { return str_cat("http://127.0.0.1:", server_->port()); }

Digest FakeUpstream::add_blob(std::string bytes) { return add_manifest(std::move(bytes), "application/octet-stream"); }

void FakeUpstream::add_blob_as(const Digest& digest, std::string bytes) {
  const std::lock_guard lock(mutex_);
  blobs_[digest.to_string()] = {std::move(bytes), "application/octet-stream"};
}

Digest FakeUpstream::add_manifest(std::string bytes, std::string media_type) {
  const Digest digest = cache_index::sha256(as_bytes(bytes));
  const std::lock_guard lock(mutex_);
  blobs_[digest.to_string()] = {std::move(bytes), std::move(media_type)};
  return digest;
}

void FakeUpstream::set_tag(std::string_view repository, std::string_view tag, const Digest& manifest) {
  const std::lock_guard lock(mutex_);
  tags_[str_cat(repository, ":", tag)] = manifest.to_string();
}

void FakeUpstream::set_referrers(const Digest& subject, std::string index, std::string filters) {
  const std::lock_guard lock(mutex_);
  referrers_[subject.to_string()] = {std::move(index), std::move(filters)};
}

FakeUpstream::Image FakeUpstream::add_image(std::string_view repository, std::string_view tag,
                                            const std::vector<Layer>& layers) {
  Image image;
  std::string diff_ids, descriptors;
  for (const Layer& layer : layers) {
    const std::string_view comma = diff_ids.empty() ? "" : ",";
    image.layers.push_back(add_blob(layer.bytes));
    str_append(&diff_ids, comma, "\"", cache_index::sha256(as_bytes(layer.tar)).to_string(), "\"");
    str_append(&descriptors, comma, descriptor(layer.media_type, image.layers.back(), layer.bytes.size()));
  }
  const std::string config = str_cat("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", diff_ids, "]}}");
  image.config = add_blob(config);
  image.manifest = add_manifest(str_cat("{\"schemaVersion\":2,\"mediaType\":\"", kManifestType, "\",\"config\":",
                                        descriptor(kConfigType, image.config, config.size()), ",\"layers\":[",
                                        descriptors, "]}"),
                                std::string(kManifestType));
  set_tag(repository, tag, image.manifest);
  return image;
}

void FakeUpstream::answer(std::string_view path, int status) {
  const std::lock_guard lock(mutex_);
  answers_[std::string(path)] = status;
}

void FakeUpstream::limit(std::string_view path, std::string_view retry_after) {
  answer(path, 429);
  const std::lock_guard lock(mutex_);
  limits_[std::string(path)] = retry_after;
}

void FakeUpstream::hang(std::string_view path) {
  const std::lock_guard lock(mutex_);
  hanging_.emplace_back(path);
}

void FakeUpstream::pause_blob(const Digest& blob, std::uint64_t at) {
  const std::lock_guard lock(mutex_);
  faults_[blob.to_string()].pause_at = at;
}

void FakeUpstream::cut_blob(const Digest& blob, std::uint64_t after, int times) {
  const std::lock_guard lock(mutex_);
  faults_[blob.to_string()].cut_after = after;
  faults_[blob.to_string()].cuts = times;
}

void FakeUpstream::limit_rest(const Digest& blob, int times) {
  const std::lock_guard lock(mutex_);
  faults_[blob.to_string()].limits = times;
}

void FakeUpstream::corrupt_blob(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  faults_[blob.to_string()].corrupt = true;
}

void FakeUpstream::announce(const Digest& blob, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  faults_[blob.to_string()].announced = size;
}

FakeUpstream::Habits FakeUpstream::habits() const {
  const std::lock_guard lock(mutex_);
  return habits_;
}

void FakeUpstream::change(const std::function<void(Habits&)>& how) {
  const std::lock_guard lock(mutex_);
  how(habits_);
}

void FakeUpstream::ignore_ranges() {
  change([](Habits& habits) { habits.ignore_ranges = true; });
}
void FakeUpstream::hide_digests() {
  change([](Habits& habits) { habits.hide_digests = true; });
}
void FakeUpstream::refuse_head() {
  change([](Habits& habits) { habits.refuse_head = true; });
}
void FakeUpstream::redirect_blobs(std::string to) {
  change([&](Habits& habits) { habits.redirect_to = std::move(to); });
}
void FakeUpstream::give_all_tags(std::string list) {
  change([&](Habits& habits) { habits.tag_list = std::move(list); });
}
void FakeUpstream::redirect_blobs_once(FakeUpstream& storage) {
  storage.change([](Habits& habits) { habits.urls_work_once = true; });
  change([&](Habits& habits) {
    habits.redirect_to = storage.url() + "/signed";
    habits.new_redirects = true;
  });
}
void FakeUpstream::want_bearer(std::uint64_t expires_in) {
  change([&](Habits& habits) { habits.token_lifetime = expires_in; });
}
void FakeUpstream::want_basic() {
  change([](Habits& habits) { habits.want_basic = true; });
}
void FakeUpstream::make_private(std::string_view repository, std::string_view user, std::string_view password) {
  const std::lock_guard lock(mutex_);
  owners_[std::string(repository)] = str_cat("Basic ", absl::Base64Escape(str_cat(user, ":", password)));
}
void FakeUpstream::accept_no_token() {
  change([](Habits& habits) { habits.refuse_tokens = true; });
}
void FakeUpstream::accept_password(std::string_view user, std::string_view password) {
  const std::string pair = str_cat(user, ":", password);
  change([&](Habits& habits) { habits.credentials = str_cat("Basic ", absl::Base64Escape(pair)); });
}

void FakeUpstream::release() {
  {
    const std::lock_guard lock(mutex_);
    ++released_;
  }
  changed_.notify_all();
}

void FakeUpstream::wait_for_release() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return released_ > 0; });
}

int FakeUpstream::requests(std::string_view method, std::string_view path_part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(seen_.begin(), seen_.end(), [&](const http::Request& request) {
    return request.method == method && contains(request.target.path, path_part);
  }));
}

std::vector<std::string> FakeUpstream::seen_headers(std::string_view path_part, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> values;
  for (const http::Request& request : seen_)
    if (contains(request.target.path, path_part)) values.emplace_back(request.headers.get(name));
  return values;
}

void FakeUpstream::wait_for_requests(std::string_view path_part, int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return count <= std::count_if(seen_.begin(), seen_.end(), [&](const auto& r) { return contains(r.target.path, path_part); });
  });
}

void FakeUpstream::wait_for_gets(std::string_view path_part) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::any_of(seen_.begin(), seen_.end(), [&](const auto& r) { return r.method == "GET" && contains(r.target.path, path_part); });
  });
}

void FakeUpstream::handle(const http::Request& request, http::ResponseWriter& out) {
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
  }
  changed_.notify_all();
  const std::string& path = request.target.path;
  if (misbehave(path, out)) return;
  if (path == "/token") return give_token(request, out);
  if (!authorized(request, out)) return;
  if (habits().refuse_head && request.method == "HEAD") return (void)out.respond(405);
  if (contains(path, "/manifests/")) {
    std::string reference = last_part(path);
    {
      const std::lock_guard lock(mutex_);
      const auto tag = tags_.find(str_cat(repository_of(path, "manifests"), ":", reference));
      if (tag != tags_.end()) reference = tag->second;
    }
    return give_manifest(reference, out);
  }
  if (path.ends_with("/tags/list")) return give_tags(request, out);
  if (contains(path, "/referrers/") && give_referrers(last_part(path), out)) return;
  give_blob(request, last_part(path), out);
}

bool FakeUpstream::misbehave(const std::string& path, http::ResponseWriter& out) {
  int status = 0;
  bool hangs = false;
  std::string retry_after;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [part, answer] : answers_)
      if (contains(path, part)) status = answer;
    for (const auto& [part, value] : limits_)
      if (contains(path, part)) retry_after = value;
    if (habits_.urls_work_once && !spent_.insert(path).second) status = 403;
    hangs = std::any_of(hanging_.begin(), hanging_.end(), [&](const auto& part) { return contains(path, part); });
  }
  if (hangs) wait_for_release();
  if (!retry_after.empty()) out.header("Retry-After", retry_after);
  if (status != 0) (void)out.respond(status, "{\"errors\":[]}", "application/json");
  return status != 0;
}

bool FakeUpstream::authorized(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view authorization = request.headers.get("Authorization");
  const Habits habits = this->habits();
  std::string owner;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [repository, value] : owners_)
      if (request.target.path.starts_with(str_cat("/v2/", repository, "/"))) owner = value;
  }
  if (!owner.empty()) {
    if (authorization == owner) return true;
    out.header("WWW-Authenticate", "Basic realm=\"fake\"");
  } else if (habits.want_basic) {
    if (authorization == habits.credentials) return true;
    out.header("WWW-Authenticate", "Basic realm=\"fake\"");
  } else if (habits.token_lifetime) {
    const std::lock_guard lock(mutex_);
    const bool right = authorization == str_cat("Bearer token", tokens_given_) && tokens_given_ > 0;
    if (right && !habits.refuse_tokens) return true;
    out.header("WWW-Authenticate", str_cat("Bearer realm=\"", url(), "/token\",service=\"fake,registry\",scope=\"repository:x:pull\""));
  } else {
    return true;
  }
  (void)out.respond(401);
  return false;
}

void FakeUpstream::give_token(const http::Request& request, http::ResponseWriter& out) {
  const Habits habits = this->habits();
  if (!habits.credentials.empty() && request.headers.get("Authorization") != habits.credentials) return (void)out.respond(401);
  std::string body;
  {
    const std::lock_guard lock(mutex_);
    ++tokens_given_;
    body = str_cat("{\"token\":\"token", tokens_given_, "\",\"expires_in\":", *habits.token_lifetime, "}");
  }
  (void)out.respond(200, body, "application/json");
}

void FakeUpstream::give_tags(const http::Request& request, http::ResponseWriter& out) {
  if (const std::string all = habits().tag_list; !all.empty()) return (void)out.respond(200, all, "application/json");
  const std::string repository = repository_of(request.target.path, "tags");
  const std::string last(request.target.query_value("last"));
  std::size_t left = 1000;
  if (const std::string n(request.target.query_value("n")); !n.empty()) left = std::stoul(n);
  std::string list, newest;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, manifest] : tags_) {
      const std::string tag = key.substr(key.rfind(':') + 1);
      if (key != str_cat(repository, ":", tag) || tag <= last) continue;
      if (left == 0) more = true;
      if (left == 0) break;
      --left;
      str_append(&list, list.empty() ? "" : ",", "\"", tag, "\"");
      newest = tag;
    }
  }
  if (more && !newest.empty())
    out.header("Link", str_cat("</v2/", repository, "/tags/list?n=", request.target.query_value("n"), "&last=", newest, ">; rel=\"next\""));
  (void)out.respond(200, str_cat("{\"name\":\"", repository, "\",\"tags\":[", list, "]}"), "application/json");
}

bool FakeUpstream::give_referrers(const std::string& digest, http::ResponseWriter& out) {
  std::pair<std::string, std::string> answer;
  {
    const std::lock_guard lock(mutex_);
    const auto it = referrers_.find(digest);
    if (it == referrers_.end()) return false;
    answer = it->second;
  }
  if (!answer.second.empty()) out.header("OCI-Filters-Applied", answer.second);
  (void)out.respond(200, answer.first, "application/vnd.oci.image.index.v1+json");
  return true;
}

void FakeUpstream::give_manifest(const std::string& reference, http::ResponseWriter& out) {
  Blob blob;
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    const auto it = blobs_.find(reference);
    if (it == blobs_.end()) return (void)out.respond(404);
    blob = it->second;
    if (const auto found = faults_.find(reference); found != faults_.end()) fault = found->second;
  }
  if (!habits().hide_digests) out.header("Docker-Content-Digest", reference);
  if (!blob.media_type.empty()) out.header("Content-Type", blob.media_type);
  if (out.begin(200, blob.bytes.size()).ok()) send(blob, fault, 0, out);
}

void FakeUpstream::give_blob(const http::Request& request, const std::string& digest, http::ResponseWriter& out) {
  const Habits habits = this->habits();
  if (!habits.redirect_to.empty()) {
    std::string once;
    if (habits.new_redirects) {
      const std::lock_guard lock(mutex_);
      once = str_cat("/", ++redirects_);
    }
    out.header("Location", str_cat(habits.redirect_to, once, "/", digest));
    return (void)out.respond(307);
  }
  Blob blob;
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    const auto it = blobs_.find(digest);
    if (it == blobs_.end()) return (void)out.respond(404);
    blob = it->second;
    if (const auto found = faults_.find(digest); found != faults_.end()) {
      fault = found->second;
      if (request.headers.find("Range") && fault.limits > 0) {
        --found->second.limits;
      } else if (found->second.cuts > 0) {
        --found->second.cuts;
      }
    }
  }
  if (request.headers.find("Range") && fault.limits > 0) {
    out.header("Retry-After", "0");
    return (void)out.respond(429);
  }
  const std::uint64_t size = fault.announced.value_or(blob.bytes.size());
  const auto range = parse_range(request.headers.get("Range"), blob.bytes.size());
  if (range.ok() && !habits.ignore_ranges) {
    out.header("Content-Range", str_cat("bytes ", range->begin, "-", range->end - 1, "/", size));
    blob.bytes.resize(range->end);
    if (out.begin(206, range->size()).ok()) send(blob, fault, range->begin, out);
  } else if (absl::IsOutOfRange(range.status())) {
    (void)out.respond(416);
  } else if (out.begin(200, size).ok()) {
    send(blob, fault, 0, out);
  }
}

// The end of the connection is how a fault shows; write errors only mean that the client left first.
void FakeUpstream::send(const Blob& blob, Fault fault, std::uint64_t begin, http::ResponseWriter& out) {
  std::string bytes = blob.bytes.substr(begin);
  if (fault.corrupt && begin == 0 && !bytes.empty()) bytes[0] ^= 1;
  if (fault.cuts > 0) bytes.resize(std::min<std::size_t>(bytes.size(), fault.cut_after));
  if (fault.pause_at && *fault.pause_at >= begin && *fault.pause_at - begin < bytes.size()) {
    (void)out.write(as_bytes(std::string_view(bytes).substr(0, *fault.pause_at - begin)));
    bytes.erase(0, *fault.pause_at - begin);
    wait_for_release();
  }
  if (fault.announced) bytes.resize(std::min<std::size_t>(bytes.size(), *fault.announced));
  (void)out.write(as_bytes(bytes));
}

}  // namespace samara::registry_proxy
