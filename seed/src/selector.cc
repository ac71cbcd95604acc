#include "seed/selector.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::seed {
namespace {

constexpr std::size_t kMostTerms = 64, kMostBytes = 4096;

}  // namespace

bool fits(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {  // the star takes one more
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

absl::StatusOr<Selector::Term> Selector::parse_term(std::string_view text) {
  Term term;
  const std::size_t equals = text.find('=');
  if (equals == text.npos) {
    const bool absent = text.starts_with('!');
    term.kind = absent ? Term::Kind::kAbsent : Term::Kind::kPresent;
    term.key = text.substr(absent ? 1 : 0);
  } else {
    const bool differs = equals > 0 && text[equals - 1] == '!';
    term.kind = differs ? Term::Kind::kDiffers : Term::Kind::kEquals;
    term.key = text.substr(0, differs ? equals - 1 : equals);
    for (const absl::string_view value : absl::StrSplit(to_absl(text.substr(equals + 1)), '|')) term.values.emplace_back(value);
  }
  if (!term.key.empty()) return term;
  return absl::InvalidArgumentError(str_cat("\"", text, "\" isn't a term of a selector: key=value, key!=value, key or !key"));
}

absl::StatusOr<Selector> Selector::parse(std::string_view text) {
  Selector selector;
  if (text.size() > kMostBytes) return absl::InvalidArgumentError("a selector of more than 4096 bytes");
  selector.text_ = text;
  if (text.empty() || text == "all") return selector;
  for (const absl::string_view term : absl::StrSplit(to_absl(text), ',')) {
    SAMARA_ASSIGN_OR_RETURN(Term parsed, parse_term(to_std(term)));
    selector.terms_.push_back(std::move(parsed));
  }
  if (selector.terms_.size() <= kMostTerms) return selector;
  return absl::InvalidArgumentError(str_cat("a selector of more than ", kMostTerms, " terms"));
}

bool Selector::fulfils(const Term& term, const std::string* value) {
  const auto has_one = [&] {
    return value != nullptr && std::any_of(term.values.begin(), term.values.end(), [&](const std::string& each) { return fits(each, *value); });
  };
  switch (term.kind) {
    case Term::Kind::kPresent: return value != nullptr;
    case Term::Kind::kAbsent: return value == nullptr;
    case Term::Kind::kEquals: return has_one();
    case Term::Kind::kDiffers: return !has_one();
  }
  return false;
}

bool Selector::matches(std::string_view name, const std::map<std::string, std::string>& labels) const {
  const std::string own_name(name), last_name(name.substr(name.rfind('/') + 1));
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    if (term.key == "name" && term.kind == Term::Kind::kDiffers) return fulfils(term, &own_name) && fulfils(term, &last_name);
    if (term.key == "name") return fulfils(term, &own_name) || fulfils(term, &last_name);
    const auto found = labels.find(term.key);
    return fulfils(term, found == labels.end() ? nullptr : &found->second);
  });
}

}  // namespace samara::seed
