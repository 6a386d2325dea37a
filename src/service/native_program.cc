#include "service/native_program.h"

#include <cstring>

#include "service/crypto_calls.h"

namespace entresol::service {
namespace {

std::string_view text(const void* data, std::uint32_t size) {
  return {static_cast<const char*>(data), size};
}
base::ByteView view(const void* data, std::uint32_t size) {
  return {static_cast<const std::uint8_t*>(data), size};
}
base::MutableBytes room(void* data, std::uint32_t size) {
  return {static_cast<std::uint8_t*>(data), size};
}

crypto_calls::AeadInput aead_input(std::uint32_t suite, const std::uint8_t* key,
                                   const std::uint8_t* nonce, base::ByteView authenticated,
                                   base::ByteView in) {
  return {suite, view(key, ENTRESOL_KEY_SIZE), view(nonce, ENTRESOL_NONCE_SIZE), authenticated, in};
}

}  // namespace

const entresol_host_calls NativeProgram::kCalls = {
    .now = [](entresol_host* host) { return of(host).now(); },
    .unix_time = [](entresol_host* host) { return of(host).unix_time(); },
    .random = [](entresol_host* host, void* out,
                 std::uint32_t size) { of(host).random(room(out, size)); },
    .log = [](entresol_host* host, std::uint32_t level, const char* line,
              std::uint32_t size) { of(host).log(level, text(line, size)); },
    .timer_set = [](entresol_host* host, std::uint64_t name,
                    std::uint64_t delay) { return of(host).timer_set(name, delay); },
    .timer_cancel = [](entresol_host* host,
                       std::uint64_t name) { return of(host).timer_cancel(name); },
    .get =
        [](entresol_host* host, std::uint32_t store, const void* key, std::uint32_t key_size,
           void* value, std::uint32_t size) {
          return of(host).get(store, text(key, key_size), room(value, size));
        },
    .put =
        [](entresol_host* host, std::uint32_t store, const void* key, std::uint32_t key_size,
           const void* value, std::uint32_t size, std::uint32_t lifetime_ms) {
          return of(host).put(store, text(key, key_size), view(value, size), lifetime_ms);
        },
    .swap =
        [](entresol_host* host, std::uint32_t store, const void* key, std::uint32_t key_size,
           const void* expected, std::int32_t expected_size, const void* value, std::uint32_t size,
           std::uint32_t lifetime_ms) {
          std::optional<base::ByteView> there;
          if (expected_size >= 0) there = view(expected, static_cast<std::uint32_t>(expected_size));
          return of(host).swap(store, text(key, key_size), there, view(value, size), lifetime_ms);
        },
    .remove = [](entresol_host* host, std::uint32_t store, const void* key,
                 std::uint32_t key_size) { return of(host).remove(store, text(key, key_size)); },
    .next =
        [](entresol_host* host, std::uint32_t store, const void* prefix, std::uint32_t prefix_size,
           const void* after, std::uint32_t after_size, void* key, std::uint32_t size) {
          return of(host).next(store, text(prefix, prefix_size), text(after, after_size),
                               room(key, size));
        },
    .config =
        [](entresol_host* host, const char* name, std::uint32_t size, char* value,
           std::uint32_t there) { return of(host).config(text(name, size), room(value, there)); },
    .metric = [](entresol_host* host, std::uint32_t number,
                 double value) { of(host).metric(number, value); },
    .release = [](entresol_host* host, std::uint32_t handle, const entresol_verdict* verdict)
        -> std::int32_t { return of(host).release(handle, *verdict); },
    .withdraw = [](entresol_host* host) { return of(host).withdraw(); },
    .features = [](entresol_host* host) { return of(host).features(); },
    .hash =
        [](entresol_host* host, std::uint32_t algorithm, const void* data, std::uint32_t size,
           std::uint8_t* out) {
          return crypto_calls::hash(of(host), algorithm, view(data, size), out);
        },
    .hmac =
        [](entresol_host* host, std::uint32_t algorithm, const void* key, std::uint32_t key_size,
           const void* data, std::uint32_t size, std::uint8_t* out) {
          return crypto_calls::hmac(of(host), algorithm, view(key, key_size), view(data, size),
                                    out);
        },
    .hkdf =
        [](entresol_host* host, const void* secret, std::uint32_t secret_size, const void* salt,
           std::uint32_t salt_size, const void* info, std::uint32_t info_size, void* out,
           std::uint32_t size) {
          return crypto_calls::hkdf(of(host), view(secret, secret_size), view(salt, salt_size),
                                    view(info, info_size), room(out, size));
        },
    .public_key = [](entresol_host* host, const std::uint8_t* seed,
                     std::uint8_t* out) { return crypto_calls::public_key(of(host), seed, out); },
    .sign =
        [](entresol_host* host, const std::uint8_t* seed, const void* message, std::uint32_t size,
           std::uint8_t* signature) {
          return crypto_calls::sign(of(host), seed, view(message, size), signature);
        },
    .verify =
        [](entresol_host* host, const std::uint8_t* key, const void* message, std::uint32_t size,
           const std::uint8_t* signature) {
          return crypto_calls::verify(of(host), key, view(message, size), signature);
        },
    .seal =
        [](entresol_host* host, std::uint32_t suite, const std::uint8_t* key,
           const std::uint8_t* nonce, const void* authenticated, std::uint32_t authenticated_size,
           const void* in, std::uint32_t size, void* out, std::uint32_t there) {
          return crypto_calls::seal(
              of(host),
              aead_input(suite, key, nonce, view(authenticated, authenticated_size),
                         view(in, size)),
              room(out, there));
        },
    .open =
        [](entresol_host* host, std::uint32_t suite, const std::uint8_t* key,
           const std::uint8_t* nonce, const void* authenticated, std::uint32_t authenticated_size,
           const void* in, std::uint32_t size, void* out, std::uint32_t there) {
          return crypto_calls::open(
              of(host),
              aead_input(suite, key, nonce, view(authenticated, authenticated_size),
                         view(in, size)),
              room(out, there));
        },
};

std::optional<Fault> NativeProgram::start(Environment& environment) {
  stop();
  host_.calls = &kCalls;
  host_.environment = &environment;
  const std::size_t units = service_.state_size / sizeof(std::max_align_t) + 1;
  state_ = std::make_unique<std::max_align_t[]>(units);
  std::memset(static_cast<void*>(state_.get()), 0, units * sizeof(std::max_align_t));
  if (service_.start != nullptr) service_.start(&host_, state_.get());
  return configure();
}

void NativeProgram::stop() {
  if (state_ != nullptr && service_.stop != nullptr) service_.stop(&host_, state_.get());
  state_.reset();
}

std::optional<Fault> NativeProgram::configure() {
  if (service_.configure != nullptr) service_.configure(&host_, state_.get());
  return std::nullopt;
}

std::optional<Fault> NativeProgram::packets(const entresol_batch& batch) {
  std::memset(static_cast<void*>(batch.verdicts), 0, batch.count * sizeof(entresol_verdict));
  if (service_.packets != nullptr) service_.packets(&host_, state_.get(), &batch);
  return std::nullopt;
}

std::optional<Fault> NativeProgram::timer(std::uint64_t name) {
  if (service_.timer != nullptr) service_.timer(&host_, state_.get(), name);
  return std::nullopt;
}

}  // namespace entresol::service
