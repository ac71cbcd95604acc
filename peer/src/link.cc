#include "peer/link.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/text.h"
#include "protocol_lines.h"

namespace samara::peer {
namespace {

using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::sys_days;

constexpr std::string_view kTable = "links";
constexpr std::uint64_t kSaveBytes = 256u << 10;
constexpr std::chrono::seconds kSaveAfter{1};
/// Bulk may be ahead of its rate by so much, and stands still for so long at most for what is more urgent.
constexpr std::chrono::milliseconds kBurst{100}, kYield{1'000};
constexpr days kKept{400};
constexpr std::chrono::seconds kFirstRest{1}, kLongestRest{30};

std::int64_t day_of(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<days>(time).time_since_epoch().count();
}

std::string date_of(std::int64_t day) {
  const std::chrono::year_month_day date{sys_days(days(day))};
  return absl::StrFormat("%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                         static_cast<unsigned>(date.day()));
}

std::string encode(const std::array<std::uint64_t, kTrafficKinds>& bytes) {
  std::string row;
  for (std::size_t i = 0; i < kTrafficKinds; ++i) str_append(&row, to_string(static_cast<Traffic>(i)), " ", bytes[i], "\n");
  return row;
}

/// A kind that isn't there, or can't be read, has carried nothing.
std::array<std::uint64_t, kTrafficKinds> decode(std::string_view row) {
  std::array<std::uint64_t, kTrafficKinds> bytes{};
  const ProtocolLines lines(row);
  for (std::size_t i = 0; i < kTrafficKinds; ++i) {
    if (std::uint64_t value = 0; lines.number(to_string(static_cast<Traffic>(i)), value).ok()) bytes[i] = value;
  }
  return bytes;
}

std::uint64_t sum(const std::array<std::uint64_t, kTrafficKinds>& bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

}  // namespace

std::string_view to_string(Traffic traffic) {
  if (traffic == Traffic::kIndex) return "index";
  if (traffic == Traffic::kRegistry) return "registry";
  return to_string(static_cast<FetchClass>(traffic));
}

std::uint64_t Link::Day::total() const { return sum(bytes); }

std::vector<std::string> Link::tables() { return {std::string(kTable)}; }

Link::Link(cache_index::Store& store, const Clock& clock, Metrics& metrics, Options options)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      refused_count_(metrics.counter("samara_link_refused_total", "Transfers that a link's budget did not let begin",
                                     {{"link", options_.name}})),
      up_gauge_(metrics.gauge("samara_link_up", "Whether the other site answered when it was asked last",
                              {{"link", options_.name}})),
      today_(day_of(clock.wall_now())),
      due_(clock.now()),
      saved_(clock.now()),
      since_(clock.wall_now()) {
  for (std::size_t i = 0; i < kTrafficKinds; ++i) {
    bytes_[i] = &metrics.counter("samara_link_bytes_total", "Bytes that came over a link from another site, by why",
                                 {{"link", options_.name}, {"traffic", std::string(to_string(static_cast<Traffic>(i)))}});
  }
  up_gauge_.set(1);
  if (const auto row = store_.get(kTable, key_of(today_)); row.ok()) day_ = decode(*row);
}

Link::~Link() { save(true); }

std::string Link::key_of(std::int64_t day) const { return str_cat(options_.name, " ", date_of(day)); }

/// A new day begins with an empty row; the old one is written by whoever notices.
void Link::roll_over() {
  const std::int64_t now = day_of(clock_.wall_now());
  if (now == today_) return;
  const absl::Status written =
      store_.write({{std::string(kTable), key_of(today_), encode(day_)},
                    {std::string(kTable), key_of(today_ - kKept.count()), std::nullopt}});
  if (!written.ok()) log::warning("what a link carried can't be written down", {{"link", options_.name}, {"error", written}});
  today_ = now;
  day_ = {};
  spent_ = false;
  if (const auto row = store_.get(kTable, key_of(now)); row.ok()) day_ = decode(*row);  // a clock that went back
}

/// Of today's budget.
std::uint64_t Link::left() const {
  if (options_.bytes_per_day == 0) return ~std::uint64_t{0};
  const std::uint64_t used = sum(day_) + reserved_;
  return options_.bytes_per_day - std::min(used, options_.bytes_per_day);
}

absl::Status Link::begin(Traffic traffic, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  roll_over();
  const bool background = traffic == Traffic::kBackground;
  const bool enough = background ? left() >= std::max<std::uint64_t>(bytes, 1)
                                 : left() > 0 || options_.over_budget == OverBudget::kReads;
  if (!enough) {
    ++refused_;
    refused_count_.add();
    if (!std::exchange(spent_, true))
      log::warning("a link's budget of the day is used up until midnight UTC",
                   {{"link", options_.name},
                    {"bytes_per_day", options_.bytes_per_day},
                    {"goes_on", options_.over_budget == OverBudget::kReads ? "all but the background" : "nothing"}});
    return absl::ResourceExhaustedError(str_cat("the link \"", options_.name, "\" has carried what it may today"));
  }
  if (background) reserved_ += bytes;
  else ++urgent_;
  return absl::OkStatus();
}

Link::Transfer::~Transfer() {
  {
    const std::lock_guard lock(link_.mutex_);
    if (traffic_ == Traffic::kBackground) link_.reserved_ -= reserved_;
    else --link_.urgent_;
  }
  link_.calm_.notify_all();
  link_.save(false);
}

void Link::Transfer::came(std::uint64_t bytes) {
  link_.count(traffic_, bytes);
  const std::lock_guard lock(link_.mutex_);
  pause_ = link_.pace(bytes);
  const std::uint64_t paid = std::min(bytes, reserved_);
  reserved_ -= paid;
  if (traffic_ == Traffic::kBackground) link_.reserved_ -= paid;
}

absl::Status Link::Transfer::wait(const std::stop_token& stop) {
  if (traffic_ != Traffic::kBackground) return absl::OkStatus();
  std::unique_lock lock(link_.mutex_);
  link_.calm_.wait_for(lock, stop, kYield, [&] { return link_.urgent_ == 0; });
  if (pause_ > nanoseconds(0)) link_.calm_.wait_for(lock, stop, pause_, [] { return false; });
  return stop.stop_requested() ? absl::CancelledError("stopped") : absl::OkStatus();
}

/// How long whoever was given these bytes of the rate has to wait before the next.
nanoseconds Link::pace(std::uint64_t bytes) {
  if (options_.bytes_per_second == 0) return nanoseconds(0);
  const Time now = clock_.now();
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second));
  due_ = std::max(due_, now - kBurst) + std::chrono::duration_cast<Time::duration>(cost);
  return std::max(nanoseconds(0), std::chrono::duration_cast<nanoseconds>(due_ - now));
}

void Link::count(Traffic traffic, std::uint64_t bytes) {
  bytes_[static_cast<std::size_t>(traffic)]->add(static_cast<double>(bytes));
  {
    const std::lock_guard lock(mutex_);
    roll_over();
    day_[static_cast<std::size_t>(traffic)] += bytes;
    unsaved_ += bytes;
  }
  save(false);
}

void Link::save(bool always) {
  const std::lock_guard saving(saving_);
  std::string key, row;
  {
    const std::lock_guard lock(mutex_);
    if (unsaved_ == 0) return;
    if (!always && unsaved_ < kSaveBytes && clock_.now() - saved_ < kSaveAfter) return;
    unsaved_ = 0;
    saved_ = clock_.now();
    key = key_of(today_);
    row = encode(day_);
  }
  const absl::Status written = store_.write({{std::string(kTable), key, row}});
  if (!written.ok()) log::warning("what a link carried can't be written down", {{"link", options_.name}, {"error", written}});
}

void Link::note(const absl::Status& outcome) {
  const bool up = !absl::IsUnavailable(outcome) && !absl::IsDeadlineExceeded(outcome);
  const std::lock_guard lock(mutex_);
  if (!up) {
    error_ = std::string(outcome.message());
    rests_until_ = clock_.now() + std::min<std::chrono::seconds>(kLongestRest, kFirstRest * (1u << std::min(failures_++, 10u)));
  } else {
    failures_ = 0;
    rests_until_ = {};
  }
  if (up == up_) return;
  up_ = up;
  since_ = clock_.wall_now();
  up_gauge_.set(up ? 1 : 0);
  if (up) log::info("a link is back", {{"link", options_.name}});
  else log::warning("a link is down", {{"link", options_.name}, {"error", outcome}});
}

bool Link::is_resting() const {
  const std::lock_guard lock(mutex_);
  return clock_.now() < rests_until_;
}

Link::Ledger Link::ledger(std::size_t days_wanted) const {
  Ledger ledger{.options = options_, .days = {}, .refused = 0, .spent = false, .up = true, .since = {}, .error = {}};
  std::int64_t today = 0;
  {
    const std::lock_guard lock(mutex_);
    ledger.refused = refused_;
    ledger.spent = spent_ && today_ == day_of(clock_.wall_now());
    ledger.up = up_;
    ledger.since = since_;
    if (!up_) ledger.error = error_;
    today = day_of(clock_.wall_now());
    ledger.days.push_back({.date = date_of(today), .bytes = today == today_ ? day_ : decltype(day_){}});
    if (today_ != today) ledger.days.push_back({.date = date_of(today_), .bytes = day_});
  }
  std::vector<Day> older;
  const absl::Status read = store_.scan(kTable, str_cat(options_.name, " "), [&](std::string_view key, std::string_view row) {
    const std::string_view date = key.substr(options_.name.size() + 1);
    const auto known = [&](const Day& day) { return day.date == date; };
    if (std::none_of(ledger.days.begin(), ledger.days.end(), known)) older.push_back({std::string(date), decode(row)});
    return true;
  });
  if (!read.ok()) log::warning("a link's ledger can't be read", {{"link", options_.name}, {"error", read}});
  std::move(older.rbegin(), older.rend(), std::back_inserter(ledger.days));
  if (ledger.days.size() > days_wanted) ledger.days.resize(days_wanted);
  return ledger;
}

}  // namespace samara::peer
