#include "fleet.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "node.h"

namespace samara::simulation {
namespace {

Duration seconds(double value) { return Duration(static_cast<std::int64_t>(value * 1e9)); }

double share_of(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

/// The machines of a run, in order of construction: what is named first outlives the rest.
class Fleet {
 public:
  Fleet(const Scenario& scenario, Image image)
      : scenario_(scenario), image_(std::move(image)), random_(scenario.seed),
        centre_(timeline_, scenario.centre_mbit * 1e6 / 8, std::chrono::microseconds(100)) {
    for (std::size_t group = 0; group < scenario.groups.size(); ++group) {
      for (int i = 0; i < scenario.groups[group].sites; ++i) add_site(group);
    }
    plan_starts();
    plan_trouble();
    watch();
  }

  Figures run() {
    timeline_.run(Timeline::kBegin + seconds(scenario_.limit));
    Figures figures{.groups = {}, .until = timeline_.seconds(), .bound = 0, .centre_copies = 0, .events = timeline_.events()};
    for (std::size_t group = 0; group < scenario_.groups.size(); ++group) {
      add_figures(group, false, figures);
      add_figures(group, true, figures);
    }
    figures.centre_copies = copies(centre_.up().bytes());
    for (const SiteGroup& group : scenario_.groups) {
      figures.bound = std::max(figures.bound, static_cast<double>(image_.bytes()) * 8 / (group.link_mbit * 1e6));
    }
    return figures;
  }

 private:
  struct Place {
    std::size_t group;
    bool hit = false;
    std::unique_ptr<Site> site;
    std::unique_ptr<Neighbourhood> around;
  };

  void add_site(std::size_t group) {
    const int number = static_cast<int>(places_.size());
    Place& place = places_.emplace_back();
    place.group = group;
    place.site = std::make_unique<Site>(timeline_, scenario_, image_, centre_,
                                        Site::Options{.number = number,
                                                      .link_mbit = scenario_.groups[group].link_mbit,
                                                      .has_image = scenario_.sites_have_it});
    Site* const site = place.site.get();
    place.around = std::make_unique<Neighbourhood>(Neighbourhood{timeline_, scenario_, image_, *site});
    Neighbourhood* const around = place.around.get();
    around->random.seed(random_());
    for (const ImageLayer& layer : image_.layers()) {
      around->swarms.push_back(std::make_unique<BulkSwarm>(timeline_, scenario_, layer, random_()));
      around->swarms.back()->join(site->machine(), [site](ChunkNumber chunk) { return site->has(chunk); }, [](ChunkNumber) {});
    }
    site->on_chunk([this, around](ChunkNumber chunk) { around->swarms[image_.layer_of(chunk).number]->chunk_came(0, chunk); });
    for (int i = 0; i < scenario_.nodes_a_site; ++i) around->nodes.push_back(std::make_unique<Node>(*around, i));
  }

  void plan_starts() {
    const double begin = scenario_.neighbours_known ? 10 : 0;
    std::uniform_real_distribution<double> within(begin, begin + scenario_.spread), soon(0, 60), any(0, 1);
    for (Place& place : places_) {
      for (const auto& each : place.around->nodes) {
        Node* const node = each.get();
        if (scenario_.neighbours_known) timeline_.after(seconds(0), [node] { node->knows_of_others(); });
        const double start = within(random_);
        timeline_.after(seconds(start), [node] { node->start(); });
        if (any(random_) < scenario_.vanishing) timeline_.after(seconds(start + soon(random_)), [node] { node->vanish(); });
      }
    }
  }

  void plan_trouble() {
    if (!scenario_.seed_dies && !scenario_.link_cut) return;
    for (Place* place : {&places_.front(), &places_.back()}) {
      place->hit = true;
      Site* const site = place->site.get();
      if (const auto& trouble = scenario_.seed_dies) {
        timeline_.after(seconds(trouble->at), [site] { site->die(); });
        timeline_.after(seconds(trouble->until), [site] { site->restart(); });
      }
      if (const auto& trouble = scenario_.link_cut) {
        timeline_.after(seconds(trouble->at), [site] { site->link().cut(); });
        timeline_.after(seconds(trouble->until), [site] { site->link().mend(); });
      }
    }
  }

  void watch() {
    timeline_.after(std::chrono::seconds(1), [this] {
      const bool done = std::all_of(places_.begin(), places_.end(), [](const Place& place) {
        return std::all_of(place.around->nodes.begin(), place.around->nodes.end(), [](const auto& node) { return node->done(); });
      });
      done ? timeline_.stop() : watch();
    });
  }

  double copies(std::uint64_t bytes) const { return static_cast<double>(bytes) / static_cast<double>(image_.bytes()); }

  void add_figures(std::size_t group, bool hit, Figures& figures) {
    GroupFigures found;
    found.name = str_cat(scenario_.groups[group].name, hit ? ", in trouble" : "");
    std::vector<double> first, complete;
    for (Place& place : places_) {
      if (place.group != group || place.hit != hit) continue;
      ++found.sites;
      add_site_figures(place, found);
      for (const auto& node : place.around->nodes) add_node_figures(node->outcome(), found, first, complete);
    }
    if (found.sites == 0) return;
    std::sort(first.begin(), first.end());
    std::sort(complete.begin(), complete.end());
    found.first_p50 = share_of(first, 0.5);
    found.first_p99 = share_of(first, 0.99);
    found.first_last = share_of(first, 1);
    found.complete_p50 = share_of(complete, 0.5);
    found.complete_last = share_of(complete, 1);
    figures.groups.push_back(std::move(found));
  }

  void add_site_figures(Place& place, GroupFigures& found) {
    Site& site = *place.site;
    const auto most = [](auto& value, auto other) { value = std::max<std::remove_reference_t<decltype(value)>>(value, other); };
    std::uint64_t as_stranger = 0, as_owner = 0, in_vain = 0;
    for (const auto& node : place.around->nodes) {
      as_stranger += node->outcome().as_stranger;
      as_owner += node->outcome().as_owner;
      in_vain += node->outcome().in_vain;
    }
    const double start = std::max(1.0, static_cast<double>(image_.trace().size()) * kChunkBytes);
    most(found.copies_over_link, copies(site.link().bytes()));
    most(found.seed_copies, copies(site.machine().up().bytes()));
    most(found.as_stranger, static_cast<double>(as_stranger) / start);
    most(found.as_owner, static_cast<double>(as_owner) / start);
    most(found.in_vain, static_cast<double>(in_vain) / start);
    most(found.requests, site.requests().peak());
    most(found.all_requests, site.requests().total());
    most(found.announces, site.announces().peak());
    most(found.lists, site.lists().peak());
    most(found.longest_list, site.longest_list());
    most(found.most_waiting, site.most_waiting());
  }

  static void add_node_figures(const Node::Outcome& outcome, GroupFigures& found, std::vector<double>& first,
                               std::vector<double>& complete) {
    ++found.nodes;
    found.vanished += outcome.vanished ? 1 : 0;
    found.failed_reads += outcome.vanished ? 0 : outcome.failed_reads;
    found.refusals += outcome.refusals;
    if (outcome.vanished || !outcome.begun) return;
    const auto since_start = [&](TimePoint time) { return Timeline::seconds_at(time) - Timeline::seconds_at(*outcome.begun); };
    if (outcome.first_output) first.push_back(since_start(*outcome.first_output));
    if (outcome.complete) complete.push_back(since_start(*outcome.complete));
    found.started += outcome.first_output ? 1 : 0;
    found.completed += outcome.complete ? 1 : 0;
  }

  const Scenario& scenario_;
  const Image image_;
  std::mt19937_64 random_;
  Timeline timeline_;
  Machine centre_;
  std::vector<Place> places_;
};

}  // namespace

absl::StatusOr<Figures> run(const Scenario& scenario) {
  SAMARA_ASSIGN_OR_RETURN(Image image, Image::make(scenario.image, scenario.seed));
  return Fleet(scenario, std::move(image)).run();
}

}  // namespace samara::simulation
