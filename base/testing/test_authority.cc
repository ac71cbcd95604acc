#include "test_authority.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace samara {
namespace {

constexpr std::chrono::seconds kBackdated{24 * 3600};

void need(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "test authority: can't %s\n", what);
  std::abort();
}

void set_name(X509_NAME* name, const std::string& common_name) {
  need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                  static_cast<int>(common_name.size()), -1, 0) == 1,
       "name a subject");
}

void add_extension(X509* certificate, int what, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
  need(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "add an extension");
  X509_EXTENSION_free(extension);
}

// Signed by `issuer_key`; `issuer` null: by itself.
X509* make_certificate(const TestAuthority::Subject& subject, EVP_PKEY* key, const X509* issuer, EVP_PKEY* issuer_key) {
  static long serial = 0;
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -static_cast<long>(kBackdated.count()));
  X509_gmtime_adj(X509_getm_notAfter(certificate), static_cast<long>(subject.valid_for.count()));
  X509_set_pubkey(certificate, key);
  set_name(X509_get_subject_name(certificate), subject.common_name);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer != nullptr ? issuer : certificate));
  add_extension(certificate, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  std::string names;
  for (const std::string& name : subject.names) str_append(&names, names.empty() ? "" : ",", name);
  if (!names.empty()) add_extension(certificate, NID_subject_alt_name, names);
  need(X509_sign(certificate, issuer_key, EVP_sha256()) > 0, "sign a certificate");
  return certificate;
}

// Beside, then renamed over: whoever reads it sees one or the other.
template <typename Write>
void write_pem(const std::string& path, Write write) {
  BIO* const memory = BIO_new(BIO_s_mem());
  need(write(memory) == 1, "write PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  need(write_file_atomic(path, {text, static_cast<std::size_t>(size)}, 0600).ok(), "write a file");
  BIO_free(memory);
}

EVP_PKEY* make_key() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  need(key != nullptr, "make a key");
  return key;
}

}  // namespace

struct TestAuthority::Key {
  EVP_PKEY* key = make_key();
  X509* certificate = make_certificate({"test authority", {}, std::chrono::hours(24)}, key, nullptr, key);
  ~Key() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

TestAuthority::TestAuthority() : directory_(*TempDir::create("authority")), key_(std::make_unique<Key>()) {
  write_pem(file(), [this](BIO* out) { return PEM_write_bio_X509(out, key_->certificate); });
}

TestAuthority::~TestAuthority() = default;

TestAuthority::Pair TestAuthority::issue(const std::string& name, const Subject& subject) const {
  EVP_PKEY* const key = make_key();
  X509* const certificate = make_certificate(subject, key, key_->certificate, key_->key);
  Pair pair{str_cat(directory(), "/", name, ".pem"), str_cat(directory(), "/", name, ".key")};
  write_pem(pair.certificate, [&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
  write_pem(pair.key,
            [&](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

TestAuthority::Pair TestAuthority::issue_server() const {
  return issue("server", {"samara-test", {"DNS:localhost", "IP:127.0.0.1"}});
}

}  // namespace samara
