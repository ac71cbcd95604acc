#include "base/http/peer_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::http {
namespace {

constexpr std::uint64_t kMaxFile = 1u << 20;

template <auto Free>
struct FreedBy {
  template <typename T>
  void operator()(T* value) const {
    Free(value);
  }
};
using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using Text = std::unique_ptr<BIO, FreedBy<BIO_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;

Text text_of(std::string_view pem) { return Text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

absl::Status unusable(const std::string& file, std::string_view why) {
  return absl::InvalidArgumentError(str_cat(file, ": ", why));
}

std::vector<Certificate> certificates_in(std::string_view pem) {
  std::vector<Certificate> found;
  const Text text = text_of(pem);
  while (X509* const one = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) found.emplace_back(one);
  ERR_clear_error();  // that there is no further one
  return found;
}

Key key_in(std::string_view pem) {
  const auto no_password = [](char*, int, int, void*) { return 0; };
  Key key(PEM_read_bio_PrivateKey(text_of(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

bool is_named(const X509* certificate, std::string_view name) {
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names.get(), i);
    if (one->type != GEN_DNS) continue;
    const std::string_view dns(reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
                               static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
    if (dns == name || dns == "*") return true;
  }
  return false;
}

bool is_signed_by(X509* certificate, X509* authority) {
  const bool signed_by = X509_check_issued(authority, certificate) == X509_V_OK &&
                         X509_verify(certificate, X509_get0_pubkey(authority)) == 1;
  ERR_clear_error();
  return signed_by;
}

std::string pem_of(X509* certificate) {
  const Text text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(text.get(), certificate) != 1) return "";
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

}  // namespace

absl::StatusOr<PeerCertificate> load_peer_certificate(const PeerCertificateFiles& files, std::string_view name) {
  SAMARA_ASSIGN_OR_RETURN(const std::string authority_pem, read_file(files.authority, kMaxFile));
  SAMARA_ASSIGN_OR_RETURN(const std::string certificate_pem, read_file(files.certificate, kMaxFile));
  SAMARA_ASSIGN_OR_RETURN(std::string key_pem, read_file(files.key, kMaxFile));
  const std::vector<Certificate> authorities = certificates_in(authority_pem), chain = certificates_in(certificate_pem);
  if (authorities.size() != 1)
    return unusable(files.authority, str_cat("holds ", authorities.size(), " certificates instead of one"));
  if (chain.empty()) return unusable(files.certificate, "holds no certificate");
  X509* const ours = chain.front().get();
  const Key key = key_in(key_pem);
  if (key == nullptr || X509_check_private_key(ours, key.get()) != 1) {
    ERR_clear_error();
    return unusable(files.key, str_cat("isn't the key of ", files.certificate, ", or has a password"));
  }
  if (!is_signed_by(ours, authorities.front().get()))
    return unusable(files.certificate, str_cat("isn't signed by the certificate in ", files.authority));
  if (X509_check_purpose(ours, X509_PURPOSE_SSL_CLIENT, 0) != 1 || X509_check_purpose(ours, X509_PURPOSE_SSL_SERVER, 0) != 1)
    return unusable(files.certificate, "must be good for both clientAuth and serverAuth");
  if (!is_named(ours, name))
    return unusable(files.certificate, str_cat("has no name (subjectAltName) DNS:", name));
  return PeerCertificate{.authority = pem_of(authorities.front().get()),
                         .certificate = pem_of(ours),
                         .key = std::move(key_pem)};
}

}  // namespace samara::http
