// Any text is a filter or InvalidArgument, and matching it ends.
#include "base/file.h"
#include "snapshotter/filter.h"
#include "snapshotter/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(samara::as_text({data, size}));
  samara::snapshotter::Info info;
  info.name = "k8s.io/12/" + text.substr(0, 40);
  info.labels = {{"containerd.io/snapshot.ref", text}, {"containerd.io/snapshot/cri.image-ref", text}};
  const auto filters = samara::snapshotter::FilterSet::parse({text});
  if (filters.ok()) (void)filters->matches(info);
  (void)samara::snapshotter::parse_image_name(text);
  (void)samara::snapshotter::parse_layer_request(info.labels);
  (void)samara::snapshotter::chain_id_of(info);
  return 0;
}
