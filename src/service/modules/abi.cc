#include "service/modules/abi.h"

#include <cstring>
#include <functional>
#include <string>

#include "service/crypto_calls.h"
#include "service/environment.h"

namespace entresol::service::modules {
namespace {

using sandbox::HostCall;
using sandbox::Signature;
using sandbox::Type;
using sandbox::Value;

constexpr Type kHost = Type::kI32;  // the first argument of every call, of which nothing is read
constexpr Type kPointer = Type::kI32;
constexpr Type kSize = Type::kI32;
constexpr std::size_t kMostRandom = 64 << 10;

// The calling instance's memory, arguments and environment. What lies outside the memory ends the call: ok() is false then.
class Arguments {
 public:
  explicit Arguments(HostCall& call) : call_(call), memory_(call.memory()) {}

  Environment& environment() const { return *static_cast<Environment*>(call_.context()); }
  std::uint32_t number(std::size_t at) const { return call_[at].u32; }
  std::uint64_t number64(std::size_t at) const { return call_[at].u64; }
  base::MutableBytes bytes(std::size_t pointer, std::size_t size) {
    return range(call_[pointer].u32, call_[size].u32);
  }
  base::MutableBytes range(std::uint32_t pointer, std::uint32_t size) {
    if (!memory_.holds(pointer, size)) {
      if (ok_)
        call_.refuse(std::to_string(size) + " octets at " + std::to_string(pointer) +
                     " are not in the module's memory");
      ok_ = false;
      return {};
    }
    return {memory_.base + pointer, size};
  }
  // Of a known size.
  std::uint8_t* fixed(std::size_t pointer, std::uint32_t size) {
    return range(call_[pointer].u32, size).data();
  }
  std::string_view text(std::size_t pointer, std::size_t size) {
    const base::MutableBytes octets = bytes(pointer, size);
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  bool ok() const { return ok_; }
  void result(std::int32_t value) { call_[0] = Value::of(value); }
  void result(std::uint64_t value) { call_[0] = Value::of(value); }

 private:
  HostCall& call_;
  sandbox::Memory memory_;
  bool ok_ = true;
};

// Each reads its arguments before it writes the result: they share their place.

void now(HostCall& call) noexcept {
  Arguments a(call);
  a.result(a.environment().now());
}

void unix_time(HostCall& call) noexcept {
  Arguments a(call);
  a.result(a.environment().unix_time());
}

void random(HostCall& call) noexcept {
  Arguments a(call);
  const base::MutableBytes out = a.bytes(1, 2);
  // One call of ours is not interrupted: none may take as long as a call of the module's may.
  if (out.size() > kMostRandom)
    return call.refuse("random: " + std::to_string(out.size()) + " octets, and at most " +
                       std::to_string(kMostRandom) + " are given at once");
  if (a.ok()) a.environment().random(out);
}

void log(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view text = a.text(2, 3);
  if (a.ok()) a.environment().log(a.number(1), text);
}

void timer_set(HostCall& call) noexcept {
  Arguments a(call);
  a.result(a.environment().timer_set(a.number64(1), a.number64(2)));
}

void timer_cancel(HostCall& call) noexcept {
  Arguments a(call);
  a.result(a.environment().timer_cancel(a.number64(1)));
}

void get(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view key = a.text(2, 3);
  const base::MutableBytes out = a.bytes(4, 5);
  if (a.ok()) a.result(a.environment().get(a.number(1), key, out));
}

void put(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view key = a.text(2, 3);
  const base::MutableBytes value = a.bytes(4, 5);
  if (a.ok()) a.result(a.environment().put(a.number(1), key, value, a.number(6)));
}

void swap(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view key = a.text(2, 3);
  std::optional<base::ByteView> expected;
  if (static_cast<std::int32_t>(a.number(5)) >= 0) expected = a.bytes(4, 5);
  const base::MutableBytes value = a.bytes(6, 7);
  if (a.ok()) a.result(a.environment().swap(a.number(1), key, expected, value, a.number(8)));
}

void remove(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view key = a.text(2, 3);
  if (a.ok()) a.result(a.environment().remove(a.number(1), key));
}

void next(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view prefix = a.text(2, 3);
  const std::string_view after = a.text(4, 5);
  const base::MutableBytes out = a.bytes(6, 7);
  if (a.ok()) a.result(a.environment().next(a.number(1), prefix, after, out));
}

void config(HostCall& call) noexcept {
  Arguments a(call);
  const std::string_view name = a.text(1, 2);
  const base::MutableBytes out = a.bytes(3, 4);
  if (a.ok()) a.result(a.environment().config(name, out));
}

void metric(HostCall& call) noexcept {
  Arguments a(call);
  a.environment().metric(a.number(1), call[2].f64);
}

void release(HostCall& call) noexcept {
  Arguments a(call);
  entresol_verdict verdict{};
  const base::MutableBytes octets = a.range(a.number(2), sizeof verdict);
  if (!a.ok()) return;
  std::memcpy(&verdict, octets.data(), sizeof verdict);
  a.result(a.environment().release(a.number(1), verdict));
}

void withdraw(HostCall& call) noexcept {
  Arguments a(call);
  a.result(a.environment().withdraw());
}

void features(HostCall& call) noexcept {
  Arguments a(call);
  a.result(static_cast<std::int32_t>(a.environment().features()));
}

void hash(HostCall& call) noexcept {
  Arguments a(call);
  const base::MutableBytes data = a.bytes(2, 3);
  std::uint8_t* const out = a.fixed(4, ENTRESOL_HASH_SIZE);
  if (a.ok()) a.result(crypto_calls::hash(a.environment(), a.number(1), data, out));
}

void hmac(HostCall& call) noexcept {
  Arguments a(call);
  const base::MutableBytes key = a.bytes(2, 3);
  const base::MutableBytes data = a.bytes(4, 5);
  std::uint8_t* const out = a.fixed(6, ENTRESOL_HASH_SIZE);
  if (a.ok()) a.result(crypto_calls::hmac(a.environment(), a.number(1), key, data, out));
}

void hkdf(HostCall& call) noexcept {
  Arguments a(call);
  const base::MutableBytes secret = a.bytes(1, 2);
  const base::MutableBytes salt = a.bytes(3, 4);
  const base::MutableBytes info = a.bytes(5, 6);
  const base::MutableBytes out = a.bytes(7, 8);
  if (a.ok()) a.result(crypto_calls::hkdf(a.environment(), secret, salt, info, out));
}

void public_key(HostCall& call) noexcept {
  Arguments a(call);
  const std::uint8_t* const seed = a.fixed(1, ENTRESOL_KEY_SIZE);
  std::uint8_t* const out = a.fixed(2, ENTRESOL_KEY_SIZE);
  if (a.ok()) a.result(crypto_calls::public_key(a.environment(), seed, out));
}

void sign(HostCall& call) noexcept {
  Arguments a(call);
  const std::uint8_t* const seed = a.fixed(1, ENTRESOL_KEY_SIZE);
  const base::MutableBytes message = a.bytes(2, 3);
  std::uint8_t* const signature = a.fixed(4, ENTRESOL_SIGNATURE_SIZE);
  if (a.ok()) a.result(crypto_calls::sign(a.environment(), seed, message, signature));
}

void verify(HostCall& call) noexcept {
  Arguments a(call);
  const std::uint8_t* const key = a.fixed(1, ENTRESOL_KEY_SIZE);
  const base::MutableBytes message = a.bytes(2, 3);
  const std::uint8_t* const signature = a.fixed(4, ENTRESOL_SIGNATURE_SIZE);
  if (a.ok()) a.result(crypto_calls::verify(a.environment(), key, message, signature));
}

// seal() and open(): the same arguments.
template <typename Call>
void aead(HostCall& call, Call&& run) {
  Arguments a(call);
  const base::MutableBytes key = a.range(a.number(2), ENTRESOL_KEY_SIZE);
  const base::MutableBytes nonce = a.range(a.number(3), ENTRESOL_NONCE_SIZE);
  const base::MutableBytes authenticated = a.bytes(4, 5);
  const base::MutableBytes in = a.bytes(6, 7);
  const base::MutableBytes out = a.bytes(8, 9);
  if (a.ok())
    a.result(run(a.environment(),
                 crypto_calls::AeadInput{a.number(1), key, nonce, authenticated, in}, out));
}

void seal(HostCall& call) noexcept {
  aead(call, crypto_calls::seal);
}

void open(HostCall& call) noexcept {
  aead(call, crypto_calls::open);
}

void add_crypto_calls(
    const std::function<void(std::string_view, std::vector<Type>, sandbox::HostFunction)>& add) {
  constexpr Type kAlgorithm = Type::kI32;
  add("hash", {kAlgorithm, kPointer, kSize, kPointer}, hash);
  add("hmac", {kAlgorithm, kPointer, kSize, kPointer, kSize, kPointer}, hmac);
  add("hkdf", {kPointer, kSize, kPointer, kSize, kPointer, kSize, kPointer, kSize}, hkdf);
  add("public_key", {kPointer, kPointer}, public_key);
  add("sign", {kPointer, kPointer, kSize, kPointer}, sign);
  add("verify", {kPointer, kPointer, kSize, kPointer}, verify);
  const std::vector<Type> sealed{kAlgorithm, kPointer, kPointer, kPointer, kSize,
                                 kPointer,   kSize,    kPointer, kSize};
  add("seal", sealed, seal);
  add("open", sealed, open);
}

}  // namespace

std::vector<sandbox::Entry> entries() {
  return {{"entresol_packets", {{Type::kI32, Type::kI32}, {}}},
          {"entresol_describe", {{}, {Type::kI32}}},
          {"entresol_start", {{}, {}}},
          {"entresol_configure", {{}, {}}},
          {"entresol_timer", {{Type::kI64}, {}}},
          {"entresol_stop", {{}, {}}}};
}

void add_host_calls(sandbox::Imports& imports) {
  const std::vector<Type> none, i32{Type::kI32}, i64{Type::kI64};
  const auto add = [&](std::string_view name, std::vector<Type> parameters,
                       const std::vector<Type>& results, sandbox::HostFunction function) {
    parameters.insert(parameters.begin(), kHost);
    imports.add("entresol", name, {std::move(parameters), results}, function);
  };
  constexpr Type kStore = Type::kI32, kMilliseconds = Type::kI32;
  add("now", {}, i64, now);
  add("unix_time", {}, i64, unix_time);
  add("random", {kPointer, kSize}, none, random);
  add("log", {Type::kI32, kPointer, kSize}, none, log);
  add("timer_set", {Type::kI64, Type::kI64}, i32, timer_set);
  add("timer_cancel", {Type::kI64}, i32, timer_cancel);
  add("get", {kStore, kPointer, kSize, kPointer, kSize}, i32, get);
  add("put", {kStore, kPointer, kSize, kPointer, kSize, kMilliseconds}, i32, put);
  add("swap", {kStore, kPointer, kSize, kPointer, kSize, kPointer, kSize, kMilliseconds}, i32,
      swap);
  add("remove", {kStore, kPointer, kSize}, i32, remove);
  add("next", {kStore, kPointer, kSize, kPointer, kSize, kPointer, kSize}, i32, next);
  add("config", {kPointer, kSize, kPointer, kSize}, i32, config);
  add("metric", {Type::kI32, Type::kF64}, none, metric);
  add("release", {Type::kI32, kPointer}, i32, release);
  add("withdraw", {}, i32, withdraw);
  add("features", {}, i32, features);
  add_crypto_calls(
      [&](std::string_view name, std::vector<Type> parameters, sandbox::HostFunction function) {
        add(name, std::move(parameters), i32, function);
      });
}

}  // namespace entresol::service::modules
