#!/usr/bin/env python3
"""The checker finds what it is there to find."""
import pathlib
import tempfile
import unittest

import check


class CheckTest(unittest.TestCase):
    def breaches_of(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            return check.breaches_below(pathlib.Path(root))[1]

    def test_tells_a_sibling_include(self):
        self.assertIn("fuse-fs may not include registry-proxy",
                      self.breaches_of("fuse-fs/src/a.cc", '#include "registry_proxy/mirror.h"\n')[0])

    def test_tells_an_include_upwards(self):
        self.assertTrue(self.breaches_of("base/src/a.cc", '#include "peer/site_client.h"\n'))

    def test_tells_a_library_outside_its_home(self):
        self.assertIn("RocksDB lives only in cache-index", self.breaches_of("peer/src/a.cc", "#include <rocksdb/db.h>\n")[0])

    def test_tells_a_library_in_a_public_header(self):
        self.assertIn("in a public header",
                      self.breaches_of("cache-index/include/cache_index/a.h", "#include <rocksdb/db.h>\n")[0])

    def test_lets_the_right_way_pass(self):
        self.assertEqual([], self.breaches_of("fuse-fs/snapshotter/src/a.cc",
                                              '#include "fuse_fs/lazy_mount.h"\n#include <grpcpp/grpcpp.h>\n'))


if __name__ == "__main__":
    unittest.main()
