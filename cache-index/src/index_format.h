#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Numbers of the index file, shared by its writer and its reader. docs/index-format.md says what they mean.
namespace samara::cache_index::index_format {

inline constexpr std::string_view kMagic = "SAMARAIX";
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kFastCdc = 1;  ///< the chunker of chunker.h

inline constexpr std::size_t kHeaderBytes = 512;
inline constexpr std::size_t kChecksumOffset = 480;  ///< SHA-256 of the header bytes before it
inline constexpr std::size_t kSectionAlignment = 8;

/// Where header fields lie.
namespace header {
inline constexpr std::size_t kFormatVersion = 8, kSize = 12, kMaking = 16, kBlobSize = 48, kStreamSize = 56, kTarSize = 64,
                             kInodeCount = 72, kChunkCount = 76, kDiffId = 80, kBlob = 112, kSections = 144;
}  // namespace header

enum Section : std::size_t { kInodes, kDirents, kNames, kXattrs, kChunks, kFraming, kSectionCount };
inline constexpr std::size_t kSectionEntryBytes = 48;  ///< offset 8, size 8, SHA-256 32

inline constexpr std::size_t kInodeBytes = 48;
namespace inode {
inline constexpr std::size_t kMode = 0, kFlags = 2, kUid = 4, kGid = 8, kNlink = 12, kSize = 16, kMtimeSec = 24,
                             kMtimeNsec = 32, kXattrs = 36, kPayload = 40;
inline constexpr std::uint16_t kImplied = 1;
}  // namespace inode

inline constexpr std::size_t kDirentBytes = 12;
namespace dirent {
inline constexpr std::size_t kNameOffset = 0, kInode = 4, kNameSize = 8, kType = 10;
}  // namespace dirent

inline constexpr std::size_t kChunkBytes = 56;
namespace chunk {
inline constexpr std::size_t kDigest = 0, kStreamOffset = 32, kBlobOffset = 40, kStreamSize = 48, kBlobSize = 52;
}  // namespace chunk

inline constexpr std::size_t kXattrPairBytes = 16;

// What Linux itself can't exceed; an index that does is damaged.
inline constexpr std::size_t kMaxNameBytes = 255;          ///< NAME_MAX
inline constexpr std::size_t kMaxSymlinkBytes = 4095;      ///< PATH_MAX without its NUL
inline constexpr std::size_t kMaxXattrNameBytes = 255;     ///< XATTR_NAME_MAX
inline constexpr std::size_t kMaxXattrValueBytes = 65536;  ///< XATTR_SIZE_MAX
inline constexpr std::size_t kMaxXattrs = 4096;            ///< what fits XATTR_LIST_MAX with room to spare

/// The header's fields from kMaking on: how this program makes layers.
std::array<std::uint32_t, 8> making_parameters();

/// A name that a directory may hold: 1 to kMaxNameBytes bytes, no '/', no NUL, not "." or "..".
bool is_entry_name(std::string_view name);
/// One of the seven file types of st_mode, and nothing outside type and permission bits.
bool is_mode(std::uint32_t mode);

}  // namespace samara::cache_index::index_format
