#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace samara::convert {

/// Makes tars in memory, header by header, right or deliberately wrong ones.
///
///   const std::string tar = TarBuilder().directory("etc/").file("etc/hosts", "127.0.0.1 localhost\n").end();
class TarBuilder {
 public:
  enum class Dialect { kUstar, kGnu, kV7 };
  struct Header {
    std::string name;
    char type = '0';
    std::uint64_t size = 0;
    std::string link_target = {};
    std::uint32_t mode = 0644;
    std::int64_t uid = 0, gid = 0, mtime = 0;
    std::uint32_t device_major = 0, device_minor = 0;
    std::string prefix = {};  ///< ustar's
    Dialect dialect = Dialect::kUstar;
  };
  using Records = std::map<std::string, std::string>;

  /// A header alone. Numbers too large for octal are written in base 256.
  TarBuilder& header(const Header& header);
  /// A header and its data, padded.
  TarBuilder& entry(Header header, std::string_view data);
  TarBuilder& file(std::string name, std::string_view content, std::uint32_t mode = 0644);
  TarBuilder& directory(std::string name, std::uint32_t mode = 0755);
  TarBuilder& symlink(std::string name, std::string target);
  TarBuilder& hard_link(std::string name, std::string target, std::uint32_t mode = 0644);
  TarBuilder& device(std::string name, char type, std::uint32_t major, std::uint32_t minor);
  /// A pax extended header for the next entry (type 'x'), or a global one ('g').
  TarBuilder& pax(const Records& records, char type = 'x');
  /// GNU's header for a name ('L') or link target ('K') too long for the header.
  TarBuilder& gnu_long(char type, std::string_view text);
  TarBuilder& raw(std::string_view bytes);

  /// The tar so far.
  const std::string& bytes() const { return tar_; }
  /// With the two zero blocks at its end.
  std::string end() const { return tar_ + std::string(1024, '\0'); }

  /// 512 bytes with the checksum put right.
  static std::string encode(const Header& header);
  /// Writes the checksum of a header block that was changed.
  static void sign(std::string& block);
  static std::string pax_record(std::string_view key, std::string_view value);

 private:
  std::string tar_;
};

/// `bytes` as one gzip member, with name and comment in its header if `decorated`.
std::string gzip(std::string_view bytes, int level = 6, bool decorated = false);
/// `bytes` as one zstd frame with a checksum.
std::string zstd(std::string_view bytes, int level = 3);

}  // namespace samara::convert
