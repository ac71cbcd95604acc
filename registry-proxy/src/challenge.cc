#include "registry_proxy/challenge.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

// Reads the grammar piece by piece from the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void skip(std::string_view these) { text_.remove_prefix(std::min(text_.find_first_not_of(these), text_.size())); }
  bool take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string token() {
    std::size_t length = 0;
    while (length < text_.size() && is_token_char(text_[length])) ++length;
    std::string token(text_.substr(0, length));
    text_.remove_prefix(length);
    return token;
  }
  // A token or a quoted string; false when it is neither.
  bool value(std::string& out) {
    if (!take('"')) {
      out = token();
      return !out.empty();
    }
    while (!text_.empty()) {
      if (take('"')) return true;
      if (take('\\') && text_.empty()) return false;
      out += text_[0];
      text_.remove_prefix(1);
    }
    return false;
  }
  // Does a "name=" follow? (A bare token that follows is the next scheme.)
  bool at_parameter() const {
    Reader ahead = *this;
    if (ahead.token().empty()) return false;
    ahead.skip(" \t");
    return ahead.take('=');
  }

 private:
  static bool is_token_char(char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  }

  std::string_view text_;
};

bool read_parameters(Reader& reader, Challenge& challenge) {
  while (reader.at_parameter()) {
    const std::string name = absl::AsciiStrToLower(reader.token());
    reader.skip(" \t");
    reader.take('=');
    reader.skip(" \t");
    std::string value;
    if (!reader.value(value)) return false;
    challenge.parameters.emplace(name, std::move(value));
    reader.skip(" \t,");
  }
  return true;
}

}  // namespace

std::string Challenge::parameter(std::string_view name) const {
  const auto it = parameters.find(std::string(name));
  return it == parameters.end() ? "" : it->second;
}

std::vector<Challenge> parse_challenges(std::string_view value) {
  std::vector<Challenge> challenges;
  Reader reader(value);
  while (true) {
    reader.skip(" \t,");
    Challenge challenge;
    challenge.scheme = absl::AsciiStrToLower(reader.token());
    if (challenge.scheme.empty()) return challenges;
    reader.skip(" \t");
    if (!read_parameters(reader, challenge)) return challenges;
    challenges.push_back(std::move(challenge));
  }
}

}  // namespace samara::registry_proxy
