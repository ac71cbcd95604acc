#include "job_view.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "progress_line.h"
#include "terminal.h"

namespace samara::cli {
namespace {

namespace api = seed::v1;

constexpr std::chrono::seconds kPlainPause{10};
constexpr std::size_t kMostNamed = 20;

std::string phase_text(const api::Image& image) {
  if (image.phase() == "resolving") return "asking the registry";
  if (image.phase() == "looking") return "asking the nodes";
  if (image.phase() == "failed") return str_cat("failed: ", image.error());
  if (image.phase() != "converting") return "";
  return str_cat("converting, ", human_size(image.bytes_converted()), " of ", human_size(image.bytes_to_convert()));
}

std::string bar(std::uint64_t done, std::uint64_t total) {
  constexpr std::size_t kWidth = 20;
  const std::size_t full = total == 0 ? kWidth : std::min<std::size_t>(kWidth, done * kWidth / total);
  return str_cat("[", std::string(full, '#'), std::string(kWidth - full, '.'), "]");
}

std::vector<std::string> sorted_sites(const api::Estimate& estimate) {
  std::vector<std::string> sites;
  for (const auto& [site, link] : estimate.links()) sites.push_back(site);
  std::sort(sites.begin(), sites.end());
  return sites;
}

// "to edge-1      120 MB, 12 s at 10 MB/s; 3.0 GB of 5.0 GB are left today"
std::string link_text(const std::string& site, const api::Link& link) {
  std::string name = str_cat("to ", site);
  name.resize(std::max<std::size_t>(name.size(), 13), ' ');
  std::string text = str_cat(name, " ", human_size(link.bytes()), " over its link, once");
  if (link.rate() > 0) str_append(&text, "; the background may take ", human_size(link.rate()), "/s");
  if (link.day() > 0) str_append(&text, "; ", human_size(link.left_today()), " of ", human_size(link.day()), " are left today");
  if (link.seconds() > 0) str_append(&text, ": ", human_time(link.seconds()), " at least");
  return text + "\n";
}

}  // namespace

JobView::JobView(std::FILE* out) : out_(out), terminal_(is_terminal(out)), colour_(wants_colour(out)) {}

std::string JobView::progress(const std::string& key, const api::Counts& counts, std::chrono::steady_clock::time_point now) {
  Rate& rate = rates_[key];
  const double seconds = std::chrono::duration<double>(now - rate.at).count();
  if (rate.at.time_since_epoch().count() == 0 || counts.bytes_done() < rate.bytes) {
    rate = {counts.bytes_done(), now, 0};
  } else if (seconds >= 1) {
    const double current = static_cast<double>(counts.bytes_done() - rate.bytes) / seconds;
    rate = {counts.bytes_done(), now, rate.per_second == 0 ? current : 0.7 * rate.per_second + 0.3 * current};
  }
  std::string text = str_cat(counts.verified(), "/", counts.nodes(), " nodes verified  ", bar(counts.bytes_done(), counts.bytes_total()), " ",
                             human_size(counts.bytes_done()), " of ", human_size(counts.bytes_total()));
  const std::uint64_t left = counts.bytes_total() - std::min(counts.bytes_total(), counts.bytes_done());
  if (rate.per_second > 1 && left > 0) {
    str_append(&text, "  ", human_size(static_cast<std::uint64_t>(rate.per_second)), "/s, ",
               human_time(static_cast<std::uint64_t>(static_cast<double>(left) / rate.per_second)), " left");
  }
  if (counts.away() > 0) str_append(&text, "  ", coloured(str_cat(counts.away(), " away"), Colour::kYellow, colour_));
  if (counts.failed() > 0) str_append(&text, "  ", coloured(str_cat(counts.failed(), " failed"), Colour::kRed, colour_));
  return text;
}

std::vector<std::string> JobView::lines(const api::Job& job, std::chrono::steady_clock::time_point now) {
  std::vector<std::string> lines;
  for (int i = 0; i < job.images_size(); ++i) {
    const api::Image& image = job.images(i);
    const std::string phase = phase_text(image);
    const std::string what = phase.empty() ? progress(str_cat(i), image.counts(), now) : phase;
    lines.push_back(str_cat(job.id(), "  ", image.wish().image(), "  ", image.wish().level(), "  ", what));
    if (!phase.empty() || image.sites_size() < 2) continue;
    for (const api::SiteCounts& site : image.sites())
      lines.push_back(str_cat("    ", site.site(), "  ", progress(str_cat(i, "/", site.site()), site.counts(), now)));
  }
  return lines;
}

void JobView::show(const api::Job& job, std::chrono::steady_clock::time_point now) {
  const std::vector<std::string> now_lines = lines(job, now);
  if (terminal_) {
    if (drawn_ > 0) std::fprintf(out_, "\033[%zuA", drawn_);
    for (const std::string& line : now_lines) std::fprintf(out_, "\r\033[K%s\n", line.c_str());
    drawn_ = now_lines.size();
    std::fflush(out_);
    return;
  }
  std::string state = job.state();
  for (const api::Image& image : job.images())
    str_append(&state, " ", image.phase(), " ", image.counts().verified(), " ", image.counts().failed(), " ", image.counts().nodes());
  if (state == last_line_ && now - last_plain_ < kPlainPause) return;
  last_line_ = state;
  last_plain_ = now;
  for (const std::string& line : now_lines) std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

void JobView::end() { drawn_ = 0; }

std::string plan_text(const api::Job& job) {
  std::string text;
  for (const api::Image& image : job.images()) {
    str_append(&text, image.wish().image(), "  ", image.wish().level(), "  ", human_size(image.bytes()), "\n");
    if (!image.error().empty()) str_append(&text, "  can't be warmed: ", image.error(), "\n");
    std::uint32_t complete = 0;
    std::set<std::string> sites;
    for (const api::Item& item : image.items()) complete += item.bytes_missing() == 0 ? 1 : 0;
    for (const api::SiteCounts& site : image.sites())
      str_append(&text, "  ", site.site(), ": ", site.counts().nodes(), " nodes lack ", human_size(site.counts().bytes_total()), "\n");
    if (complete > 0) str_append(&text, "  ", complete, " of ", image.items_size(), " nodes have everything already\n");
    for (const api::Item& item : image.items())
      if (!item.error().empty()) str_append(&text, "  ", item.node(), ": ", item.error(), "\n");
  }
  const api::Estimate& estimate = job.estimate();
  str_append(&text, "\nto nodes      ", human_size(estimate.to_nodes()), ", at most ", human_size(estimate.largest_node()), " to one of them\n");
  str_append(&text, "out of site   ", human_size(estimate.out_of_site()), " at least\n");
  str_append(&text, "from upstream ", human_size(estimate.from_upstream()), " that isn't converted here yet\n");
  for (const std::string& site : sorted_sites(estimate)) str_append(&text, link_text(site, estimate.links().at(site)));
  if (estimate.seconds() > 0) {
    str_append(&text, "takes         ", human_time(estimate.seconds()), " at least, by the link \"", estimate.bound_by(), "\"\n");
  } else {
    str_append(&text, "takes         not known: no rate of a link is configured ([seed] node_rate, site_rate, upstream_rate; [parent] bytes_per_second at an edge)\n");
  }
  return text;
}

std::string verdict_text(const api::Job& job, bool colour) {
  if (job.state() == "done")
    return str_cat(coloured("verified", Colour::kGreen, colour), " on ", job.counts().verified(), " of ", job.counts().nodes(), " placements\n");
  std::string text = str_cat(coloured(job.state(), Colour::kRed, colour), job.reason().empty() ? "" : ": ", job.reason(), "\n");
  for (const api::Image& image : job.images()) {
    if (!image.error().empty()) {
      str_append(&text, "  ", image.wish().image(), ": ", image.error(), "\n");
      continue;
    }
    std::size_t named = 0, lacking = 0;
    for (const api::Item& item : image.items()) {
      if (item.state() == "verified" || ++lacking > kMostNamed) continue;
      ++named;
      str_append(&text, "  ", item.node(), " lacks ", image.wish().level(), " of ", image.wish().image(), ": ",
                 item.error().empty() ? item.state() : item.error(), "\n");
    }
    if (lacking > named) str_append(&text, "  … and ", lacking - named, " more nodes: samara job show ", job.id(), "\n");
  }
  if (job.state() == "failed") str_append(&text, "try those again: samara job retry ", job.id(), "\n");
  return text;
}

}  // namespace samara::cli
