#include "snapshotter/filter.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/text.h"
#include "filter_scanner.h"

namespace samara::snapshotter {
namespace {

constexpr std::size_t kMaxFilters = 64;
constexpr std::size_t kMaxText = 64 << 10;

enum class Operator { kPresent, kEqual, kNotEqual, kMatches };

Operator take_operator(FilterScanner& scanner) {
  if (scanner.take("==")) return Operator::kEqual;
  if (scanner.take("!=")) return Operator::kNotEqual;
  if (scanner.take("~=")) return Operator::kMatches;
  return Operator::kPresent;
}

// The value of a field; nullopt when the snapshot has no such field.
std::optional<std::string_view> field_value(const Info& info, const std::string& field, const std::string& key) {
  if (field == "name") return info.name;
  if (field == "parent") return info.parent;
  if (field == "kind") return kind_name(info.kind);
  if (field != "labels") return std::nullopt;
  const auto label = info.labels.find(key);
  if (label == info.labels.end()) return std::nullopt;
  return label->second;
}

absl::StatusOr<std::unique_ptr<RE2>> compile(FilterScanner& scanner, const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto expression = std::make_unique<RE2>(pattern, options);
  if (!expression->ok()) return scanner.error(expression->error());
  return expression;
}

}  // namespace

struct FilterSet::Term {
  std::string field;
  std::string key;  // of a label
  Operator op = Operator::kPresent;
  std::string value;
  std::unique_ptr<RE2> expression;  // of kMatches

  static absl::StatusOr<Term> parse(FilterScanner& scanner) {
    Term term;
    SAMARA_ASSIGN_OR_RETURN(std::vector<std::string> path, scanner.field());
    term.field = path.front();
    term.key = absl::StrJoin(path.begin() + 1, path.end(), ".");
    term.op = take_operator(scanner);
    if (term.op == Operator::kPresent) return term;
    SAMARA_ASSIGN_OR_RETURN(term.value, scanner.value(term.op == Operator::kMatches));
    if (term.op == Operator::kMatches) {
      SAMARA_ASSIGN_OR_RETURN(term.expression, compile(scanner, term.value));
    }
    return term;
  }

  bool matches(const Info& info) const {
    const std::optional<std::string_view> found = field_value(info, field, key);
    const std::string_view text = found.value_or("");
    switch (op) {
      case Operator::kPresent: return found.has_value();
      case Operator::kEqual: return found && text == value;
      case Operator::kNotEqual: return text != value;
      case Operator::kMatches: return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *expression);
    }
    return false;
  }
};

FilterSet::FilterSet() = default;
FilterSet::FilterSet(FilterSet&&) noexcept = default;
FilterSet& FilterSet::operator=(FilterSet&&) noexcept = default;
FilterSet::~FilterSet() = default;

absl::StatusOr<FilterSet> FilterSet::parse(const std::vector<std::string>& filters) {
  if (filters.size() > kMaxFilters) return absl::InvalidArgumentError("too many filters");
  FilterSet set;
  for (const std::string& text : filters) {
    if (text.size() > kMaxText) return absl::InvalidArgumentError("a filter is too long");
    FilterScanner scanner(text);
    Filter& filter = set.filters_.emplace_back();
    if (scanner.at_end()) continue;
    do {
      SAMARA_ASSIGN_OR_RETURN(Term term, Term::parse(scanner));
      filter.push_back(std::move(term));
    } while (scanner.take(","));
    if (!scanner.at_end()) return scanner.error("a comma is missing");
  }
  return set;
}

bool FilterSet::matches(const Info& info) const {
  const auto matches_all = [&](const Filter& filter) {
    return std::all_of(filter.begin(), filter.end(), [&](const Term& term) { return term.matches(info); });
  };
  return filters_.empty() || std::any_of(filters_.begin(), filters_.end(), matches_all);
}

}  // namespace samara::snapshotter
