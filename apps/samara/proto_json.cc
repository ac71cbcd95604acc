#include "proto_json.h"

namespace samara::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// One value: `at` is its place in a repeated field, -1 of a single one. Our messages have no other kinds.
nlohmann::json value_of(const Message& message, const FieldDescriptor* field, int at) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = at < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return one ? reflection.GetString(message, field) : reflection.GetRepeatedString(message, field, at);
    case FieldDescriptor::CPPTYPE_BOOL: return one ? reflection.GetBool(message, field) : reflection.GetRepeatedBool(message, field, at);
    case FieldDescriptor::CPPTYPE_UINT32: return one ? reflection.GetUInt32(message, field) : reflection.GetRepeatedUInt32(message, field, at);
    case FieldDescriptor::CPPTYPE_UINT64: return one ? reflection.GetUInt64(message, field) : reflection.GetRepeatedUInt64(message, field, at);
    case FieldDescriptor::CPPTYPE_INT32: return one ? reflection.GetInt32(message, field) : reflection.GetRepeatedInt32(message, field, at);
    case FieldDescriptor::CPPTYPE_INT64: return one ? reflection.GetInt64(message, field) : reflection.GetRepeatedInt64(message, field, at);
    case FieldDescriptor::CPPTYPE_ENUM: return one ? reflection.GetEnum(message, field)->name() : reflection.GetRepeatedEnum(message, field, at)->name();
    case FieldDescriptor::CPPTYPE_MESSAGE: return to_json(one ? reflection.GetMessage(message, field) : reflection.GetRepeatedMessage(message, field, at));
    default: return nullptr;
  }
}

nlohmann::json map_of(const Message& message, const FieldDescriptor* field) {
  nlohmann::json object = nlohmann::json::object();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    const FieldDescriptor* const key = entry.GetDescriptor()->map_key();
    object[entry.GetReflection()->GetString(entry, key)] = value_of(entry, entry.GetDescriptor()->map_value(), -1);
  }
  return object;
}

nlohmann::json list_of(const Message& message, const FieldDescriptor* field) {
  nlohmann::json list = nlohmann::json::array();
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) list.push_back(value_of(message, field, i));
  return list;
}

}  // namespace

nlohmann::json to_json(const Message& message) {
  nlohmann::json object = nlohmann::json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    if (field->is_map()) {
      object[field->name()] = map_of(message, field);
    } else if (field->is_repeated()) {
      object[field->name()] = list_of(message, field);
    } else {
      object[field->name()] = value_of(message, field, -1);
    }
  }
  return object;
}

}  // namespace samara::cli
