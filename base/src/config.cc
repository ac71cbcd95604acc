#include "base/config.h"

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <sstream>

// Header only: the shared library is built with exceptions.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

constexpr Unit kSizeUnits[] = {{"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40},
                               {"kB", 1000},        {"MB", 1000'000},    {"GB", 1000'000'000}, {"B", 1}};
constexpr Unit kDurationUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

// "64MiB" -> 64 << 20; nullopt for anything but digits and one of `units`, or when it overflows.
template <std::size_t N>
std::optional<std::uint64_t> parse_quantity(std::string_view text, const Unit (&units)[N]) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    std::uint64_t product = 0;
    if (suffix == unit.suffix && !__builtin_mul_overflow(number, unit.factor, &product)) return product;
  }
  return std::nullopt;
}

}  // namespace

struct Config::Node {
  std::string key;   // in the parent
  std::string path;  // from the top, for messages
  toml::table values;
  std::set<std::string, std::less<>> asked;
  std::vector<std::string> wrong;
  std::map<std::string, Config, std::less<>> children;

  const toml::node* ask(std::string_view name) {
    asked.emplace(name);
    return values.get(name);
  }
  void note(std::string_view name, std::string_view expected) {
    wrong.push_back(str_cat(path, name, " must be ", expected));
  }
};

Config::Config(std::unique_ptr<Node> node) : node_(std::move(node)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

absl::StatusOr<Config> Config::parse(std::string_view toml, std::string_view name) {
  toml::parse_result parsed = toml::parse(toml, name);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return absl::InvalidArgumentError(str_cat(name, ":", error.source().begin.line, ":", error.source().begin.column,
                                              ": ", error.description()));
  }
  auto node = std::make_unique<Node>();
  node->values = std::move(parsed).table();
  return Config(std::move(node));
}

absl::StatusOr<Config> Config::load(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const std::string text, read_file(path, 1u << 20));
  return parse(text, path);
}

const std::string& Config::key() const { return node_->key; }

bool Config::has(std::string_view key) const { return node_->values.contains(key); }

std::string Config::text(std::string_view key, std::string_view fallback) {
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return **value->as_string();
  node_->note(key, "a string");
  return std::string(fallback);
}

std::vector<std::string> Config::texts(std::string_view key, std::vector<std::string> fallback) {
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return {**value->as_string()};
  std::vector<std::string> result;
  const toml::array* array = value->as_array();
  if (array != nullptr)
    for (const toml::node& element : *array)
      if (element.is_string()) result.push_back(**element.as_string());
  if (array == nullptr || result.size() != array->size()) node_->note(key, "a string or a list of strings");
  return result;
}

bool Config::flag(std::string_view key, bool fallback) {
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return **value->as_boolean();
  node_->note(key, "true or false");
  return fallback;
}

std::int64_t Config::number(std::string_view key, std::int64_t fallback) {
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return fallback;
  if (value->is_integer()) return **value->as_integer();
  node_->note(key, "a whole number");
  return fallback;
}

std::uint64_t Config::size(std::string_view key, std::uint64_t fallback) {
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return fallback;
  if (value->is_integer() && **value->as_integer() >= 0) return static_cast<std::uint64_t>(**value->as_integer());
  if (value->is_string())
    if (const auto bytes = parse_quantity(**value->as_string(), kSizeUnits)) return *bytes;
  node_->note(key, "a number of bytes, or one such as \"64MiB\"");
  return fallback;
}

std::chrono::milliseconds Config::duration(std::string_view key, std::chrono::milliseconds fallback) {
  // A century; what is longer would overflow deadlines.
  constexpr std::uint64_t kLongest = 100ull * 365 * 24 * 3'600'000;
  const toml::node* value = node_->ask(key);
  if (value == nullptr) return fallback;
  std::optional<std::uint64_t> milliseconds;
  if (value->is_integer() && **value->as_integer() >= 0 && **value->as_integer() <= std::int64_t{kLongest / 1000})
    milliseconds = static_cast<std::uint64_t>(**value->as_integer()) * 1000;
  if (value->is_string()) milliseconds = parse_quantity(**value->as_string(), kDurationUnits);
  if (milliseconds && *milliseconds <= kLongest) return std::chrono::milliseconds(*milliseconds);
  node_->note(key, "a number of seconds, or one such as \"250ms\", \"10s\", \"5m\", \"24h\"");
  return fallback;
}

std::vector<Config*> Config::table_list(std::string_view key) {
  const toml::node* value = node_->ask(key);
  const toml::array* array = value == nullptr ? nullptr : value->as_array();
  if (value != nullptr && (array == nullptr || !(array->empty() || array->is_homogeneous(toml::node_type::table)))) {
    node_->note(key, "a list of tables");
    return {};
  }
  std::vector<Config*> result;
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const std::string name = str_cat(key, "[", i, "]");
    auto child = std::make_unique<Node>();
    child->key = name;
    child->path = str_cat(node_->path, name, ".");
    child->values = *array->get(i)->as_table();
    result.push_back(&node_->children.try_emplace(name, Config(std::move(child))).first->second);
  }
  return result;
}

Config& Config::table(std::string_view key) {
  if (const auto known = node_->children.find(key); known != node_->children.end()) return known->second;
  auto child = std::make_unique<Node>();
  child->key = std::string(key);
  child->path = str_cat(node_->path, key, ".");
  if (const toml::node* value = node_->ask(key); value != nullptr) {
    if (const toml::table* values = value->as_table()) {
      child->values = *values;
    } else {
      node_->note(key, "a table");
    }
  }
  return node_->children.emplace(std::string(key), Config(std::move(child))).first->second;
}

std::vector<Config*> Config::tables(std::string_view key) {
  Config& parent = table(key);
  std::vector<Config*> result;
  for (const auto& [name, value] : parent.node_->values) result.push_back(&parent.table(name.str()));
  return result;
}

absl::Status Config::finish() const {
  std::vector<std::string> problems = node_->wrong;
  for (const auto& [name, value] : node_->values)
    if (!node_->asked.contains(name.str())) problems.push_back(str_cat(node_->path, name.str(), " is not a known option"));
  for (const auto& [name, child] : node_->children)
    if (const absl::Status status = child.finish(); !status.ok()) problems.emplace_back(status.message());
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(problems, "; "));
}

}  // namespace samara
