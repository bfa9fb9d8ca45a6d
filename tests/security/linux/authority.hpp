// authority: signs certificates for tests, made while they run, in a folder that goes with it.
#pragma once

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/system.hpp"

namespace colloquy::test {

struct certificate_files {
    std::string certificate, key;
};

class authority {
public:
    authority() : folder_{scratch_path("colloquy-ca")} {
        std::filesystem::create_directory(folder_);
        key_ = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
        REQUIRE(key_ != nullptr);
        own_ = make(key_, "test authority", "critical,CA:TRUE", {}, 0, 3'600, nullptr);
        write(file("ca.pem"), own_, nullptr);
    }
    ~authority() {
        X509_free(own_);
        EVP_PKEY_free(key_);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    authority(const authority&) = delete;
    authority& operator=(const authority&) = delete;

    [[nodiscard]] std::string trust() const { return file("ca.pem"); }
    [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }
    // `names` as openssl's configuration writes them: "URI:colloquy:NET.LU,IP:127.0.0.1". Valid from now + `from` to
    // now + `to` seconds. A second one of that name replaces the files.
    certificate_files sign(const std::string& name, const std::string& names, long from = -3'600, long to = 3'600) {
        EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
        REQUIRE(key != nullptr);
        X509* const made = make(key, name, "critical,CA:FALSE", names, from, to, own_);
        certificate_files files{file(name + ".pem"), file(name + ".key")};
        write(files.certificate, made, nullptr);
        write(files.key, nullptr, key);
        X509_free(made);
        EVP_PKEY_free(key);
        return files;
    }

private:
    static void extend(X509* to, X509* issuer, int what, const std::string& value) {
        if (value.empty()) return;
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
        X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
        REQUIRE(extension != nullptr);
        REQUIRE(X509_add_ext(to, extension, -1) == 1);
        X509_EXTENSION_free(extension);
    }
    X509* make(EVP_PKEY* key, const std::string& name, const std::string& constraints, const std::string& names,
               long from, long to, X509* issuer) {
        X509* const made = X509_new();
        REQUIRE(made != nullptr);
        (void)X509_set_version(made, 2);
        (void)ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial_);
        (void)X509_gmtime_adj(X509_getm_notBefore(made), from);
        (void)X509_gmtime_adj(X509_getm_notAfter(made), to);
        (void)X509_set_pubkey(made, key);
        (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                                         reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
        X509* const by = issuer == nullptr ? made : issuer;
        (void)X509_set_issuer_name(made, X509_get_subject_name(by));
        extend(made, by, NID_basic_constraints, constraints);
        extend(made, by, NID_subject_alt_name, names);
        REQUIRE(X509_sign(made, key_, EVP_sha256()) != 0);
        return made;
    }
    static void write(const std::string& path, X509* certificate, EVP_PKEY* key) {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> to{std::fopen(path.c_str(), "wb"), &std::fclose};
        REQUIRE(to != nullptr);
        if (certificate != nullptr) REQUIRE(PEM_write_X509(to.get(), certificate) == 1);
        if (key != nullptr) REQUIRE(PEM_write_PrivateKey(to.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    }

    std::filesystem::path folder_;
    EVP_PKEY* key_ = nullptr;
    X509* own_ = nullptr;
    long serial_ = 0;
};

}  // namespace colloquy::test
