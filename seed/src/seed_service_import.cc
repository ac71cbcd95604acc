#include <algorithm>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "seed_service.h"

/// The part of the API that takes images out of files.
namespace samara::seed {
namespace {

namespace api = seed::v1;
using cache_index::ImageImport;
using cache_index::ImportedImage;

// Both number their codes alike.
grpc::Status to_grpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::StatusOr<cache_index::LayerRecord> layer_of(const api::PublishImageRequest::Layer& layer) {
  cache_index::LayerRecord record;
  SAMARA_ASSIGN_OR_RETURN(record.layer, Digest::parse(layer.layer()));
  SAMARA_ASSIGN_OR_RETURN(record.index, Digest::parse(layer.index()));
  SAMARA_ASSIGN_OR_RETURN(record.blob, Digest::parse(layer.blob()));
  record.index_size = layer.index_size();
  record.blob_size = layer.blob_size();
  return record;
}

absl::StatusOr<ImportedImage> image_of(const api::PublishImageRequest& request) {
  ImportedImage image;
  image.name = request.image();
  for (const auto& manifest : request.manifests()) {
    SAMARA_ASSIGN_OR_RETURN(const Digest digest, Digest::parse(manifest.digest()));
    image.manifests.push_back({digest, manifest.media_type(), manifest.tag()});
  }
  for (const auto& layer : request.layers()) {
    SAMARA_ASSIGN_OR_RETURN(image.layers.emplace_back(), layer_of(layer));
  }
  for (const auto& referrers : request.referrers()) {
    SAMARA_ASSIGN_OR_RETURN(const Digest subject, Digest::parse(referrers.subject()));
    image.referrers.push_back({subject, referrers.list()});
  }
  image.traces.assign(request.traces().begin(), request.traces().end());
  image.pin_seconds = request.pin_seconds();
  image.pin_for_good = request.pin_for_good();
  image.pin_reason = request.pin_reason();
  return image;
}

// A stream that breaks looks like one that ends; what came by then stays for the next try.
absl::Status write_object(ImageImport& import, grpc::ServerReader<api::PutObjectRequest>& reader) {
  api::PutObjectRequest part;
  if (!reader.Read(&part)) return absl::InvalidArgumentError("no object is named");
  SAMARA_ASSIGN_OR_RETURN(const Digest object, Digest::parse(part.object()));
  const std::uint64_t size = part.size();
  SAMARA_ASSIGN_OR_RETURN(const auto writer, import.writer(object));
  if (writer->size() != part.offset())
    return absl::AbortedError(str_cat(writer->size(), " bytes of ", object.to_string(), " are here, not ", part.offset()));
  while (reader.Read(&part)) {
    if (part.data().size() > size - std::min(size, writer->size()))
      return absl::InvalidArgumentError(str_cat(object.to_string(), " has more bytes than it says"));
    SAMARA_RETURN_IF_ERROR(writer->append(as_bytes(part.data())));
  }
  if (writer->size() != size) return absl::AbortedError(str_cat("only ", writer->size(), " of ", size, " bytes of ", object.to_string(), " came"));
  return writer->commit();
}

}  // namespace

absl::Status SeedService::admit_import(const grpc::ServerContext& context) const {
  if (!context.peer().starts_with("unix:"))
    return absl::PermissionDeniedError("images are imported on the site's own machine, through the seed's Unix socket");
  return options_.import != nullptr ? absl::OkStatus() : absl::UnimplementedError("this seed imports no images");
}

grpc::Status SeedService::OfferObjects(grpc::ServerContext* context, const api::OfferObjectsRequest* request,
                                       api::OfferObjectsResponse* response) {
  if (const absl::Status admitted = admit_import(*context); !admitted.ok()) return to_grpc(admitted);
  std::vector<Digest> objects;
  for (const std::string& text : request->objects()) {
    const absl::StatusOr<Digest> object = Digest::parse(text);
    if (!object.ok()) return to_grpc(object.status());
    objects.push_back(*object);
  }
  const auto wanted = options_.import->offer(request->image(), objects);
  if (!wanted.ok()) return to_grpc(wanted.status());
  for (const ImageImport::Wanted& one : *wanted) {
    auto* const out = response->add_wanted();
    out->set_object(one.object.to_string());
    out->set_offset(one.here);
  }
  return grpc::Status::OK;
}

grpc::Status SeedService::PutObject(grpc::ServerContext* context, grpc::ServerReader<api::PutObjectRequest>* reader, api::PutObjectResponse*) {
  if (const absl::Status admitted = admit_import(*context); !admitted.ok()) return to_grpc(admitted);
  return to_grpc(write_object(*options_.import, *reader));
}

grpc::Status SeedService::PublishImage(grpc::ServerContext* context, const api::PublishImageRequest* request, api::PublishImageResponse*) {
  if (const absl::Status admitted = admit_import(*context); !admitted.ok()) return to_grpc(admitted);
  const absl::StatusOr<ImportedImage> image = image_of(*request);
  return to_grpc(image.ok() ? options_.import->publish(*image) : image.status());
}

}  // namespace samara::seed
