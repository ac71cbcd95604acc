// The processes that a daemon starts beside itself, alone: the holder, or with the argument "preloader" that one.
#include <string_view>

#include "fuse_fs/connection_keeper.h"
#include "fuse_fs/preloader.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "preloader") return samara::fuse_fs::run_preloader(0);
  return samara::fuse_fs::run_holder(samara::fuse_fs::kHolderSocket);
}
