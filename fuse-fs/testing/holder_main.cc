// The holder alone, for tests of who starts it.
#include "fuse_fs/connection_keeper.h"

int main() { return samara::fuse_fs::run_holder(samara::fuse_fs::kHolderSocket); }
