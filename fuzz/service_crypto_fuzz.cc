// A module's crypto calls: any algorithm, and inputs and outputs anywhere in one memory, over one another too. Nothing is
// read or written outside of what was given, and what was sealed apart can be opened.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "service/crypto_calls.h"

namespace {

using namespace entresol;
using namespace entresol::service;

constexpr std::size_t kMemory = 4096;

class NoRandom final : public base::RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (auto& octet : out) octet = 4;
  }
};

void expect(bool holds) {
  if (!holds) std::abort();
}

// Numbers of the input, zero at its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data, size) {}
  std::size_t next(std::size_t bound) {
    std::size_t out = 0;
    for (int i = 0; i < 2 && !data_.empty(); ++i, data_ = data_.subspan(1))
      out = out << 8 | data_.front();
    return out % bound;
  }
  bool ended() const { return data_.empty(); }

 private:
  base::ByteView data_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  NoRandom random;
  Manifest manifest;
  manifest.uses = static_cast<std::uint32_t>(Use::kCrypto);
  Environment environment(manifest, random, nullptr);
  // On the heap, of exactly its size.
  const auto memory = std::make_unique<std::uint8_t[]>(kMemory);
  for (std::size_t i = 0; i < kMemory; ++i) memory[i] = static_cast<std::uint8_t>(i * 7);
  const auto fixed = [&](std::size_t octets) {
    return base::MutableBytes(memory.get() + input.next(kMemory - octets + 1), octets);
  };
  const auto range = [&] {
    const std::size_t at = input.next(kMemory + 1);
    return base::MutableBytes(memory.get() + at, input.next(kMemory - at + 1));
  };
  for (int calls = 0; calls < 16 && !input.ended(); ++calls) {
    const std::size_t call = input.next(8);
    const auto algorithm = static_cast<std::uint32_t>(input.next(4));
    const base::MutableBytes a = fixed(32), b = fixed(64), c = fixed(12);
    const base::MutableBytes in = range(), other = range(), out = range();
    const crypto_calls::AeadInput aead{algorithm, a, c, other, in};
    switch (call) {
      case 0:
        crypto_calls::hash(environment, algorithm, in, a.data());
        break;
      case 1:
        crypto_calls::hmac(environment, algorithm, other, in, a.data());
        break;
      case 2:
        crypto_calls::hkdf(environment, in, other, b, out);
        break;
      case 3:
        crypto_calls::public_key(environment, a.data(), b.data());
        break;
      case 4:
        crypto_calls::sign(environment, a.data(), in, b.data());
        break;
      case 5:
        crypto_calls::verify(environment, a.data(), in, b.data());
        break;
      case 6: {
        const base::Bytes key(a.begin(), a.end()), nonce(c.begin(), c.end());
        const base::Bytes aad(other.begin(), other.end()), text(in.begin(), in.end());
        const std::int32_t made = crypto_calls::seal(environment, aead, out);
        if (made < 0) break;
        const base::Bytes sealed(out.begin(), out.begin() + made);
        base::Bytes opened(text.size());
        expect(crypto_calls::open(environment, {algorithm, key, nonce, aad, sealed}, opened) ==
                   static_cast<std::int32_t>(text.size()) &&
               opened == text);
        break;
      }
      default:
        crypto_calls::open(environment, aead, out);
    }
  }
  return 0;
}
