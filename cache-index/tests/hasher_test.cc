#include "cache_index/hasher.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace samara::cache_index {
namespace {

// FIPS 180-4 examples.
constexpr char kSha256OfAbc[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kSha512OfAbc[] =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

TEST(Hasher, KnowsBothAlgorithms) {
  Hasher sha256_hasher(Digest::Algorithm::kSha256), sha512_hasher(Digest::Algorithm::kSha512);

  sha256_hasher.update(as_bytes("abc"));
  sha512_hasher.update(as_bytes("abc"));

  EXPECT_EQ(sha256_hasher.finish().to_string(), kSha256OfAbc);
  EXPECT_EQ(sha512_hasher.finish().to_string(), kSha512OfAbc);
}

TEST(Hasher, TakesBytesInAnyPieces) {
  Hasher hasher;

  hasher.update(as_bytes("a"));
  hasher.update({});
  hasher.update(as_bytes("bc"));

  EXPECT_EQ(hasher.finish(), sha256(as_bytes("abc")));
}

TEST(Hasher, StartsAnewAfterFinish) {
  Hasher hasher;
  hasher.update(as_bytes("something else"));
  hasher.finish();

  hasher.update(as_bytes("abc"));

  EXPECT_EQ(hasher.finish().to_string(), kSha256OfAbc);
}

}  // namespace
}  // namespace samara::cache_index
