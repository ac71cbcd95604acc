#include "tar_builder.h"

#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <cstring>
#include <utility>

namespace samara::convert {
namespace {

void put(std::string& block, std::size_t offset, std::size_t size, std::string_view text) {
  std::memcpy(block.data() + offset, text.data(), std::min(size, text.size()));
}

void put_number(std::string& block, std::size_t offset, std::size_t size, std::int64_t value) {
  const std::uint64_t limit = size >= 22 ? ~0ull : 1ull << (3 * (size - 1));
  if (value >= 0 && static_cast<std::uint64_t>(value) < limit) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%0*llo", static_cast<int>(size - 1), static_cast<unsigned long long>(value));
    put(block, offset, size, digits);
    return;
  }
  auto rest = value;
  for (std::size_t i = size; i-- > 0; rest >>= 8) block[offset + i] = static_cast<char>(rest & 0xff);
  block[offset] = static_cast<char>(block[offset] | 0x80);
}

}  // namespace

std::string TarBuilder::encode(const Header& header) {
  std::string block(512, '\0');
  put(block, 0, 100, header.name);
  put_number(block, 100, 8, header.mode);
  put_number(block, 108, 8, header.uid);
  put_number(block, 116, 8, header.gid);
  put_number(block, 124, 12, static_cast<std::int64_t>(header.size));
  put_number(block, 136, 12, header.mtime);
  block[156] = header.type;
  put(block, 157, 100, header.link_target);
  if (header.dialect == Dialect::kUstar) put(block, 257, 8, std::string_view("ustar\00000", 8));
  if (header.dialect == Dialect::kGnu) put(block, 257, 8, std::string_view("ustar  \0", 8));
  if (header.dialect != Dialect::kV7) {
    put_number(block, 329, 8, header.device_major);
    put_number(block, 337, 8, header.device_minor);
  }
  if (header.dialect == Dialect::kUstar) put(block, 345, 155, header.prefix);
  sign(block);
  return block;
}

void TarBuilder::sign(std::string& block) {
  put(block, 148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char digits[16];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  put(block, 148, 7, std::string_view(digits, 7));
}

std::string TarBuilder::pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // ' ', '=' and the newline
  std::size_t size = rest;
  while (size != rest + std::to_string(size).size()) size = rest + std::to_string(size).size();
  std::string record = std::to_string(size);
  return record.append(" ").append(key).append("=").append(value).append("\n");
}

TarBuilder& TarBuilder::header(const Header& header) { return raw(encode(header)); }

TarBuilder& TarBuilder::entry(Header header, std::string_view data) {
  header.size = data.size();
  raw(encode(header)).raw(data);
  return raw(std::string((512 - data.size() % 512) % 512, '\0'));
}

TarBuilder& TarBuilder::file(std::string name, std::string_view content, std::uint32_t mode) {
  return entry({.name = std::move(name), .mode = mode}, content);
}

TarBuilder& TarBuilder::directory(std::string name, std::uint32_t mode) {
  return header({.name = std::move(name), .type = '5', .mode = mode});
}

TarBuilder& TarBuilder::symlink(std::string name, std::string target) {
  return header({.name = std::move(name), .type = '2', .link_target = std::move(target), .mode = 0777});
}

TarBuilder& TarBuilder::hard_link(std::string name, std::string target, std::uint32_t mode) {
  return header({.name = std::move(name), .type = '1', .link_target = std::move(target), .mode = mode});
}

TarBuilder& TarBuilder::device(std::string name, char type, std::uint32_t major, std::uint32_t minor) {
  return header({.name = std::move(name), .type = type, .device_major = major, .device_minor = minor});
}

TarBuilder& TarBuilder::pax(const Records& records, char type) {
  std::string content;
  for (const auto& [key, value] : records) content += pax_record(key, value);
  return entry({.name = "PaxHeaders/x", .type = type}, content);
}

TarBuilder& TarBuilder::gnu_long(char type, std::string_view text) {
  return entry({.name = "././@LongLink", .type = type, .dialect = Dialect::kGnu}, std::string(text) + '\0');
}

TarBuilder& TarBuilder::raw(std::string_view bytes) {
  tar_ += bytes;
  return *this;
}

std::string gzip(std::string_view bytes, int level, bool decorated) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  gz_header header{};
  Bytef name[] = "layer.tar", comment[] = "a comment", extra[] = "ab\2\0xy";
  header.name = name;
  header.comment = comment;
  header.extra = extra;
  header.extra_len = 6;
  header.hcrc = 1;
  if (decorated) deflateSetHeader(&stream, &header);
  std::string out(deflateBound(&stream, bytes.size()) + 128, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view bytes, int level) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size()));
  ZSTD_freeCCtx(context);
  return out;
}

}  // namespace samara::convert
