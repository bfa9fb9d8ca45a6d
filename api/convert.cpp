// The calls that are about no conversation and need no logical unit: conversion of text, and how much fits a call.
#include <cstddef>
#include <span>

#include "api/entry.hpp"
#include "api/trace.hpp"
#include "runtime/wire/ebcdic.hpp"

namespace {

using namespace colloquy;
using rc = runtime::return_code;

constexpr CM_INT32 bytes_max = 32'767;

void convert(const char* entry, void* string, const CM_INT32* string_length, CM_RETURN_CODE* return_code,
             void (*conversion)(std::span<std::byte>) noexcept) noexcept {
    api::trace::call traced{entry, nullptr, return_code};
    traced.in("string_length", string_length);
    if (return_code == nullptr) return;
    if (string == nullptr || string_length == nullptr || *string_length < 1 || *string_length > bytes_max) {
        api::answer(return_code, rc::program_parameter_check, entry);
        return;
    }
    conversion({static_cast<std::byte*>(string), static_cast<std::size_t>(*string_length)});
    api::answer(return_code, rc::ok, entry);
}

}  // namespace

extern "C" {

CM_ENTRY cmcnvi(void* string, const CM_INT32* string_length, CM_RETURN_CODE* return_code) {
    convert("cmcnvi", string, string_length, return_code, &wire::to_ascii);
}
CM_ENTRY cmcnvo(void* string, const CM_INT32* string_length, CM_RETURN_CODE* return_code) {
    convert("cmcnvo", string, string_length, return_code, &wire::to_ebcdic);
}

CM_ENTRY cmembs(CM_INT32* maximum_buffer_size, CM_RETURN_CODE* return_code) {
    api::trace::call traced{"cmembs", nullptr, return_code};
    traced.out("maximum_buffer_size", maximum_buffer_size);
    if (return_code == nullptr) return;
    if (maximum_buffer_size == nullptr) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    *maximum_buffer_size = bytes_max;
    api::answer(return_code, rc::ok);
}

}  // extern "C"
