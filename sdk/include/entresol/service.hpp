// service.h for C++: the host as an object, and a class as a service. Nothing here allocates or throws.
//
//   struct Hello {
//     void packets(entresol::Host host, entresol::Batch batch) { for (auto [packet, verdict] : batch) … }
//   };
//   ENTRESOL_SERVICE_CLASS(hello, Hello)
//
// Of start(Host), configure(Host), packets(Host, Batch) and timer(Host, std::uint64_t) a class has those that it needs. An
// instance's object is made before start() and destroyed with the instance, but for one that has trapped.
#pragma once

// What the standard library would print before it gives up, a module has nowhere to print: it traps.
#if defined(__wasm__) && !defined(_LIBCPP_VERBOSE_ABORT)
#define _LIBCPP_VERBOSE_ABORT(...) __builtin_trap()
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include "entresol/service.h"

inline bool operator==(const entresol_name& a, const entresol_name& b) {
  return std::memcmp(a.octets, b.octets, sizeof a.octets) == 0;
}

namespace entresol {

using Name = entresol_name;
using Packet = entresol_packet;
using Verdict = entresol_verdict;

inline void deliver(Verdict& verdict, const Name& to, bool keep = true) {
  verdict.action = ENTRESOL_DELIVER;
  verdict.keep = keep;
  verdict.to = to;
}
inline void refuse(Verdict& verdict, std::uint16_t reason, bool keep = true) {
  verdict.action = ENTRESOL_REFUSE;
  verdict.keep = keep;
  verdict.reason = reason;
}
inline void drop(Verdict& verdict, std::uint16_t reason, bool keep = false) {
  verdict.action = ENTRESOL_DROP;
  verdict.keep = keep;
  verdict.reason = reason;
}
inline void hold(Verdict& verdict, std::uint32_t at_most_ms) {
  verdict.action = ENTRESOL_HOLD;
  verdict.lifetime_ms = at_most_ms;
}

class Batch {
 public:
  explicit Batch(const entresol_batch& batch) : batch_(batch) {}
  struct Item {
    const Packet& packet;
    Verdict& verdict;
  };
  class Iterator {
   public:
    Iterator(const entresol_batch& batch, std::uint32_t at) : batch_(batch), at_(at) {}
    Item operator*() const { return {batch_.packets[at_], batch_.verdicts[at_]}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const entresol_batch& batch_;
    std::uint32_t at_;
  };
  Iterator begin() const { return {batch_, 0}; }
  Iterator end() const { return {batch_, batch_.count}; }
  std::uint32_t size() const { return batch_.count; }
  std::span<const std::uint8_t> payload(const Packet& packet) const {
    return {batch_.payload + packet.payload, packet.payload_size};
  }
  // Each of the names gets the packet. They are copied to the batch's out, from octet `at` on, which moves behind them;
  // false if there is no room.
  bool replicate(Verdict& verdict, std::span<const Name> names, std::uint32_t& at) const {
    if (names.size_bytes() > ENTRESOL_OUT_SIZE - at) return false;
    std::memcpy(batch_.out + at, names.data(), names.size_bytes());
    verdict.action = ENTRESOL_REPLICATE;
    verdict.data = at;
    verdict.count = static_cast<std::uint32_t>(names.size());
    at += static_cast<std::uint32_t>(names.size_bytes());
    return true;
  }

 private:
  const entresol_batch& batch_;
};

// A store of the instance: small values by key.
class Store {
 public:
  Store(entresol_host* host, std::uint32_t which) : host_(host), which_(which) {}
  // Octets of the value, or an error (below 0).
  std::int32_t get(std::string_view key, std::span<std::uint8_t> value) const {
    return entresol_get(host_, which_, key.data(), size(key), value.data(), size(value));
  }
  std::int32_t put(std::string_view key, std::span<const std::uint8_t> value,
                   std::uint32_t lifetime_ms = 0) const {
    return entresol_put(host_, which_, key.data(), size(key), value.data(), size(value),
                        lifetime_ms);
  }
  std::int32_t remove(std::string_view key) const {
    return entresol_remove(host_, which_, key.data(), size(key));
  }
  // A value of a plain type; false if there is none of this size.
  template <typename T>
  bool load(std::string_view key, T& value) const {
    return entresol_get(host_, which_, key.data(), size(key), &value, sizeof value) ==
           static_cast<std::int32_t>(sizeof value);
  }
  template <typename T>
  bool save(std::string_view key, const T& value, std::uint32_t lifetime_ms = 0) const {
    return entresol_put(host_, which_, key.data(), size(key), &value, sizeof value, lifetime_ms) ==
           0;
  }
  // Put `value` if `expected` is there; null: if nothing is.
  template <typename T>
  bool swap(std::string_view key, const T* expected, const T& value,
            std::uint32_t lifetime_ms = 0) const {
    return entresol_swap(host_, which_, key.data(), size(key), expected,
                         expected == nullptr ? -1 : static_cast<std::int32_t>(sizeof *expected),
                         &value, sizeof value, lifetime_ms) == 0;
  }

 private:
  template <typename T>
  static std::uint32_t size(const T& of) {
    return static_cast<std::uint32_t>(of.size());
  }
  entresol_host* host_;
  std::uint32_t which_;
};

// Cryptography; the manifest asks for it with `uses: [crypto]`. What is false, or below 0, is an error of service.h.
class Crypto {
 public:
  using Bytes = std::span<const std::uint8_t>;
  using Hash = std::array<std::uint8_t, ENTRESOL_HASH_SIZE>;
  using Key = std::array<std::uint8_t, ENTRESOL_KEY_SIZE>;
  using Nonce = std::array<std::uint8_t, ENTRESOL_NONCE_SIZE>;
  using Signature = std::array<std::uint8_t, ENTRESOL_SIGNATURE_SIZE>;

  explicit Crypto(entresol_host* host) : host_(host) {}
  bool hash(std::uint32_t algorithm, Bytes data, Hash& out) const {
    return entresol_hash(host_, algorithm, data.data(), size(data), out.data()) == 0;
  }
  bool hmac(std::uint32_t algorithm, Bytes key, Bytes data, Hash& out) const {
    return entresol_hmac(host_, algorithm, key.data(), size(key), data.data(), size(data),
                         out.data()) == 0;
  }
  bool hkdf(Bytes secret, Bytes salt, Bytes info, std::span<std::uint8_t> out) const {
    return entresol_hkdf(host_, secret.data(), size(secret), salt.data(), size(salt), info.data(),
                         size(info), out.data(), size(out)) == 0;
  }
  bool public_key(const Key& seed, Key& out) const {
    return entresol_public_key(host_, seed.data(), out.data()) == 0;
  }
  bool sign(const Key& seed, Bytes message, Signature& out) const {
    return entresol_sign(host_, seed.data(), message.data(), size(message), out.data()) == 0;
  }
  bool verify(const Key& public_key, Bytes message, const Signature& signature) const {
    return entresol_verify(host_, public_key.data(), message.data(), size(message),
                           signature.data()) == 0;
  }
  // Octets written to `out`.
  std::int32_t seal(std::uint32_t suite, const Key& key, const Nonce& nonce, Bytes authenticated,
                    Bytes in, std::span<std::uint8_t> out) const {
    return entresol_seal(host_, suite, key.data(), nonce.data(), authenticated.data(),
                         size(authenticated), in.data(), size(in), out.data(), size(out));
  }
  std::int32_t open(std::uint32_t suite, const Key& key, const Nonce& nonce, Bytes authenticated,
                    Bytes in, std::span<std::uint8_t> out) const {
    return entresol_open(host_, suite, key.data(), nonce.data(), authenticated.data(),
                         size(authenticated), in.data(), size(in), out.data(), size(out));
  }

 private:
  template <typename T>
  static std::uint32_t size(const T& of) {
    return static_cast<std::uint32_t>(of.size());
  }
  entresol_host* host_;
};

class Host {
 public:
  explicit Host(entresol_host* host) : host_(host) {}
  std::uint64_t now() const { return entresol_now(host_); }
  std::uint64_t unix_time() const { return entresol_unix_time(host_); }
  std::uint64_t random() const {
    std::uint64_t out = 0;
    entresol_random(host_, &out, sizeof out);
    return out;
  }
  void log(std::uint32_t level, std::string_view text) const {
    entresol_log(host_, level, text.data(), static_cast<std::uint32_t>(text.size()));
  }
  bool set_timer(std::uint64_t name, std::uint64_t delay_ns) const {
    return entresol_timer_set(host_, name, delay_ns) == 0;
  }
  void cancel_timer(std::uint64_t name) const { entresol_timer_cancel(host_, name); }
  Store ephemeral() const { return {host_, ENTRESOL_EPHEMERAL}; }
  Store stable() const { return {host_, ENTRESOL_STABLE}; }
  Crypto crypto() const { return Crypto(host_); }
  std::uint32_t features() const { return entresol_features(host_); }
  // A value's text; empty if it is not there or longer than `room`.
  std::string_view config(std::string_view name, std::span<char> room) const {
    const std::int32_t size =
        entresol_config(host_, name.data(), static_cast<std::uint32_t>(name.size()), room.data(),
                        static_cast<std::uint32_t>(room.size()));
    return size < 0 ? std::string_view()
                    : std::string_view(room.data(), static_cast<std::size_t>(size));
  }
  // A whole number that is not negative; `otherwise` if there is none.
  std::uint64_t config_number(std::string_view name, std::uint64_t otherwise) const {
    std::array<char, 24> room{};
    const std::string_view text = config(name, room);
    if (text.empty()) return otherwise;
    std::uint64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return otherwise;
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
  }
  void metric(std::uint32_t number, double value = 1) const {
    entresol_metric(host_, number, value);
  }
  bool release(std::uint32_t handle, const Verdict& verdict) const {
    return entresol_release(host_, handle, &verdict) == 0;
  }
  bool withdraw() const { return entresol_withdraw(host_) == 0; }

 private:
  entresol_host* host_;
};

// The functions of entresol_service that call a T.
template <typename T>
struct ServiceOf {
  static T& object(void* state) { return *std::launder(static_cast<T*>(state)); }
  static void start(entresol_host* host, void* state) {
    T* made = new (state) T();
    if constexpr (requires { made->start(Host(host)); }) made->start(Host(host));
  }
  static void configure(entresol_host* host, void* state) {
    if constexpr (requires(T& t) { t.configure(Host(host)); }) object(state).configure(Host(host));
  }
  static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
    if constexpr (requires(T& t) { t.packets(Host(host), Batch(*batch)); })
      object(state).packets(Host(host), Batch(*batch));
  }
  static void timer(entresol_host* host, void* state, std::uint64_t name) {
    if constexpr (requires(T& t) { t.timer(Host(host), name); })
      object(state).timer(Host(host), name);
  }
  static void stop(entresol_host*, void* state) { object(state).~T(); }
};

}  // namespace entresol

#define ENTRESOL_SERVICE_CLASS(NAME, CLASS)                                   \
  static_assert(alignof(CLASS) <= 16);                                        \
  ENTRESOL_SERVICE(NAME, CLASS, .start = ::entresol::ServiceOf<CLASS>::start, \
                   .configure = ::entresol::ServiceOf<CLASS>::configure,      \
                   .packets = ::entresol::ServiceOf<CLASS>::packets,          \
                   .timer = ::entresol::ServiceOf<CLASS>::timer,              \
                   .stop = ::entresol::ServiceOf<CLASS>::stop)
