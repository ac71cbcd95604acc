// What AddressSanitizer reports although it isn't ours: libtorrent 2.0.8 never frees the names of a certificate that it
// has verified (about 160 bytes a TLS handshake). Only the whole stack tells that from leaks of our own, since libcrypto
// has no frame pointers.
#ifdef __SANITIZE_ADDRESS__
extern "C" const char* __asan_default_options() { return "fast_unwind_on_malloc=0"; }
extern "C" const char* __lsan_default_suppressions() { return "leak:libtorrent-rasterbar.so\n"; }
#endif
