#include <gmock/gmock.h>

#include "fleet.h"

/// A small fleet: the whole of what `simulate` runs, and what must hold for any fleet.
namespace samara::simulation {
namespace {

Figures run_well(const Scenario& scenario) {
  const absl::StatusOr<Figures> figures = run(scenario);
  EXPECT_TRUE(figures.ok()) << figures.status();
  return figures.ok() ? *figures : Figures{};
}

/// Every node that didn't vanish printed, has everything, and no read failed.
void expect_all_done(const Figures& figures) {
  ASSERT_FALSE(figures.groups.empty());
  for (const GroupFigures& group : figures.groups) {
    EXPECT_EQ(group.started, group.nodes - group.vanished) << group.name;
    EXPECT_EQ(group.completed, group.nodes - group.vanished) << group.name;
    EXPECT_EQ(group.failed_reads, 0u) << group.name;
  }
}

TEST(Fleet, StartsWithOneCopyOverEachLink) {
  const Figures figures = run_well(small_scenario());

  expect_all_done(figures);
  for (const GroupFigures& group : figures.groups) {
    EXPECT_LE(group.copies_over_link, 1.02) << group.name;
    EXPECT_EQ(group.longest_list, 20u) << group.name;
    EXPECT_LE(group.requests, 200) << group.name;
  }
  EXPECT_NEAR(figures.centre_copies, 2, 0.04);
}

/// What the seed gives to starts is a few copies, not one a node.
TEST(Fleet, SparesTheSeedWhenAllStartAtOnce) {
  Scenario scenario = small_scenario();
  scenario.spread = 1;

  for (const bool have_it : {false, true}) {
    scenario.sites_have_it = have_it;
    const Figures figures = run_well(scenario);

    expect_all_done(figures);
    for (const GroupFigures& group : figures.groups) {
      EXPECT_EQ(group.as_stranger, 0) << group.name;
      EXPECT_LE(group.as_owner, 8) << group.name;
      EXPECT_LE(group.in_vain, 7) << group.name;
      EXPECT_LE(group.seed_copies, 6) << group.name;
      EXPECT_LE(group.requests, 250) << group.name;
    }
  }
}

TEST(Fleet, IsTheSameRunWithTheSameSeed) {
  Scenario scenario = small_scenario();
  const Figures once = run_well(scenario), again = run_well(scenario);
  scenario.seed = 2;
  const Figures other = run_well(scenario);

  EXPECT_EQ(once.events, again.events);
  ASSERT_EQ(once.groups.size(), again.groups.size());
  for (std::size_t i = 0; i < once.groups.size(); ++i) {
    EXPECT_EQ(once.groups[i].first_last, again.groups[i].first_last);
    EXPECT_EQ(once.groups[i].seed_copies, again.groups[i].seed_copies);
  }
  EXPECT_NE(once.events, other.events);
}

TEST(Fleet, OutlivesItsSeedBeingOff) {
  Scenario scenario = small_scenario();
  scenario.seed_dies = Scenario::Trouble{.at = 4, .until = 24};

  expect_all_done(run_well(scenario));
}

TEST(Fleet, ResumesAfterItsLinkWasCut) {
  Scenario scenario = small_scenario();
  scenario.link_cut = Scenario::Trouble{.at = 4, .until = 34};

  const Figures figures = run_well(scenario);

  expect_all_done(figures);
  for (const GroupFigures& group : figures.groups) EXPECT_LE(group.copies_over_link, 1.02) << group.name;
}

TEST(Fleet, CarriesOnWithoutNodesThatVanish) {
  Scenario scenario = small_scenario();
  scenario.vanishing = 0.2;

  const Figures figures = run_well(scenario);

  expect_all_done(figures);
  std::size_t vanished = 0;
  for (const GroupFigures& group : figures.groups) vanished += group.vanished;
  EXPECT_GT(vanished, 0u);
}

TEST(Fleet, BringsEverythingWithoutASwarm) {
  Scenario scenario = small_scenario();
  scenario.swarm = false;

  expect_all_done(run_well(scenario));
}

}  // namespace
}  // namespace samara::simulation
