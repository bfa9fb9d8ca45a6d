// lazy_array: a fixed array whose memory costs nothing until an element is touched.
//
// When to use: tables sized for the worst case (a million slots) of which most runs touch a part.
// When not: small arrays, or elements whose initial state is not "all bytes zero" (refused at compile time).
// Memory: one block of table_memory.hpp, which backs pages when they are touched.
// Guarantees: elements start zeroed and never move; the address is aligned to `Alignment`. Throws std::bad_alloc.
// Alternatives: std::vector, which writes every element once at start.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>

#include "runtime/atom.hpp"
#include "runtime/table_memory.hpp"

namespace colloquy::runtime {

// Specialise for types whose all-zero bytes are what their constructor would have produced. Trivial aggregates need
// not.
template <class T>
struct zero_is_initial : std::bool_constant<std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>> {};

// The standard promises nothing about the bytes of std::atomic, so the two properties that make it true are asked for.
template <class T>
struct zero_is_initial<atom<T>>
    : std::bool_constant<sizeof(std::atomic<T>) == sizeof(T) && std::atomic<T>::is_always_lock_free> {};

template <class T, std::size_t Alignment = alignof(T)>
class lazy_array {
    static_assert(zero_is_initial<T>::value, "zero bytes must be a valid initial state of the element");
    static_assert(std::is_trivially_destructible_v<T>, "elements are never destroyed one by one");
    static_assert(Alignment >= alignof(T) && (Alignment & (Alignment - 1)) == 0);

public:
    explicit lazy_array(std::size_t count) : count_{count} {
        constexpr std::size_t slack = Alignment > alignof(std::max_align_t) ? Alignment : 0;
        if (count > (std::numeric_limits<std::size_t>::max() - slack) / sizeof(T)) {
            throw std::bad_alloc{};
        }
        memory_ = memory_of_tables();
        bytes_ = count * sizeof(T) + slack + (count == 0 ? 1 : 0);
        raw_ = memory_.reserve(bytes_);
        if (raw_ == nullptr) {
            throw std::bad_alloc{};
        }
        const auto address = reinterpret_cast<std::uintptr_t>(raw_);
        const std::uintptr_t aligned = (address + (Alignment - 1)) & ~std::uintptr_t{Alignment - 1};
        first_ = reinterpret_cast<T*>(static_cast<unsigned char*>(raw_) + (aligned - address));
    }
    ~lazy_array() { memory_.release(raw_, bytes_); }
    lazy_array(const lazy_array&) = delete;
    lazy_array& operator=(const lazy_array&) = delete;

    [[nodiscard]] T& operator[](std::size_t i) noexcept {
        assert(i < count_);
        return first_[i];
    }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
        assert(i < count_);
        return first_[i];
    }
    [[nodiscard]] T* data() noexcept { return first_; }
    [[nodiscard]] const T* data() const noexcept { return first_; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    table_memory memory_;
    std::size_t bytes_{0};
    void* raw_{nullptr};
    T* first_{nullptr};
    std::size_t count_;
};

}  // namespace colloquy::runtime
