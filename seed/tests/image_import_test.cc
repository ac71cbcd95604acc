#include "cache_index/image_import.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <map>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"
#include "seed.grpc.pb.h"
#include "seed/server.h"

/// How images are brought through the seed's API.
namespace samara::seed {
namespace {

namespace api = seed::v1;
using cache_index::ImageImport;
using cache_index::ImportedImage;
using ::testing::SizeIs;

/// Keeps bytes by digest, and the images that were published.
class FakeImport final : public ImageImport {
 public:
  class Writer final : public cache_index::ObjectWriter {
   public:
    Writer(std::string& bytes, const Digest& digest) : bytes_(bytes), digest_(digest) {}
    absl::Status append(std::span<const std::uint8_t> bytes) override {
      bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return absl::OkStatus();
    }
    std::uint64_t size() const override { return bytes_.size(); }
    int fd() const override { return -1; }
    absl::Status commit() override {
      return cache_index::sha256(as_bytes(bytes_)) == digest_ ? absl::OkStatus() : absl::DataLossError("other bytes");
    }
    void discard() override { bytes_.clear(); }

   private:
    std::string& bytes_;
    const Digest digest_;
  };

  absl::StatusOr<std::vector<Wanted>> offer(const std::string&, const std::vector<Digest>& objects) override {
    std::vector<Wanted> wanted;
    for (const Digest& object : objects) wanted.push_back({object, bytes_[object].size()});
    return wanted;
  }
  absl::StatusOr<std::unique_ptr<cache_index::ObjectWriter>> writer(const Digest& object) override {
    return std::make_unique<Writer>(bytes_[object], object);
  }
  absl::Status publish(const ImportedImage& image) override {
    published_.push_back(image);
    return absl::OkStatus();
  }

  std::map<Digest, std::string> bytes_;
  std::vector<ImportedImage> published_;
};

class NoImages final : public ImageSource {
 public:
  absl::StatusOr<peer::WarmImage> resolve(const WarmWish&) override { return absl::NotFoundError("none"); }
  absl::StatusOr<Progress> convert(const WarmWish&, const peer::WarmImage&) override { return absl::NotFoundError("none"); }
  std::uint64_t lacking(const peer::WarmImage&) override { return 0; }
};

class SeedImport : public ::testing::Test {
 protected:
  SeedImport() {
    Server::Options options;
    options.socket = directory_.path() + "/seed.sock";
    options.listen = "127.0.0.1:0";
    options.admit = [](const Server::Credentials&) { return "somebody"; };
    options.import = &import_;
    server_ = *Server::create(warming_, options);
    stub_ = connect("unix:" + options.socket);
  }
  static std::unique_ptr<api::Seed::Stub> connect(const std::string& address) {
    return api::Seed::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }
  /// Sends the parts of an object that has `size` bytes.
  grpc::Status put(const Digest& object, std::uint64_t offset, std::uint64_t size, const std::vector<std::string>& parts) {
    grpc::ClientContext context;
    api::PutObjectResponse response;
    const auto writer = stub_->PutObject(&context, &response);
    api::PutObjectRequest part;
    part.set_object(object.to_string());
    part.set_offset(offset);
    part.set_size(size);
    (void)writer->Write(part);  // what becomes of it is told in the end
    for (const std::string& bytes : parts) {
      part.Clear();
      part.set_data(bytes);
      (void)writer->Write(part);
    }
    writer->WritesDone();
    return writer->Finish();
  }

  FakeClock clock_;
  Metrics metrics_;
  TempDir directory_ = *TempDir::create("seed");
  std::unique_ptr<cache_index::Store> store_ = *cache_index::Store::open(directory_.path() + "/db", Warming::tables());
  NoImages images_;
  Warming warming_{*store_, images_, clock_, metrics_, {}};
  FakeImport import_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<api::Seed::Stub> stub_;
  const std::string bytes_ = "the bytes of an object";
  const Digest object_ = cache_index::sha256(as_bytes(bytes_));
};

TEST_F(SeedImport, AnObjectComesInParts) {
  EXPECT_TRUE(put(object_, 0, bytes_.size(), {bytes_.substr(0, 5), bytes_.substr(5)}).ok());
  EXPECT_EQ(import_.bytes_[object_], bytes_);
}

TEST_F(SeedImport, WhatCameByThenStaysWhenTheRestDoesnt) {
  const grpc::Status broken = put(object_, 0, bytes_.size(), {bytes_.substr(0, 5)});
  grpc::ClientContext context;
  api::OfferObjectsRequest request;
  request.add_objects(object_.to_string());
  api::OfferObjectsResponse response;
  const grpc::Status offered = stub_->OfferObjects(&context, request, &response);

  EXPECT_EQ(broken.error_code(), grpc::StatusCode::ABORTED);
  ASSERT_TRUE(offered.ok());
  ASSERT_EQ(response.wanted_size(), 1);
  EXPECT_EQ(response.wanted(0).offset(), 5u);
  EXPECT_EQ(put(object_, 0, bytes_.size(), {bytes_}).error_code(), grpc::StatusCode::ABORTED);  // not from there
  EXPECT_TRUE(put(object_, 5, bytes_.size(), {bytes_.substr(5)}).ok());
}

TEST_F(SeedImport, OtherOrMoreBytesAreRefused) {
  EXPECT_EQ(put(object_, 0, 5, {"other"}).error_code(), grpc::StatusCode::DATA_LOSS);
  const Digest another = cache_index::sha256(as_bytes(std::string("x")));
  EXPECT_EQ(put(another, 0, 1, {"xy"}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SeedImport, AnImageIsPublishedAsItWasDescribed) {
  grpc::ClientContext context, wrong_context;
  api::PublishImageRequest request, wrong;
  api::PublishImageResponse response;
  request.set_image("docker.io/library/x:1");
  request.add_manifests()->set_digest(object_.to_string());
  auto* const layer = request.add_layers();
  layer->set_layer(object_.to_string());
  layer->set_index(object_.to_string());
  layer->set_blob(object_.to_string());
  request.set_pin_for_good(true);
  wrong.add_manifests()->set_digest("not a digest");

  ASSERT_TRUE(stub_->PublishImage(&context, request, &response).ok());
  EXPECT_EQ(stub_->PublishImage(&wrong_context, wrong, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  ASSERT_THAT(import_.published_, SizeIs(1));
  EXPECT_EQ(import_.published_[0].name, "docker.io/library/x:1");
  EXPECT_EQ(import_.published_[0].layers.at(0).blob, object_);
  EXPECT_TRUE(import_.published_[0].pin_for_good);
}

TEST_F(SeedImport, NobodyImportsOverTheNetwork) {
  const auto stub = connect("127.0.0.1:" + std::to_string(server_->port()));
  grpc::ClientContext context;
  api::PublishImageResponse response;

  EXPECT_EQ(stub->PublishImage(&context, {}, &response).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace samara::seed
