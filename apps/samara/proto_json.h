#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace samara::cli {

/// A message of our APIs as JSON, every field by its name in the .proto whether set or not, numbers as numbers: so the
/// .proto is the schema of every --json.
nlohmann::json to_json(const google::protobuf::Message& message);

}  // namespace samara::cli
