// Bytes in network order, read and written through checked cursors. A reader that ran over its end stays failed, so a
// parser reads all it needs and asks ok() once.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace entresol::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline std::uint16_t load_be16(const std::uint8_t* p) {
  std::uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}
inline std::uint32_t load_be32(const std::uint8_t* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}
inline std::uint64_t load_be64(const std::uint8_t* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}
inline std::uint32_t load_le32(const std::uint8_t* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline std::uint64_t load_le64(const std::uint8_t* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_be16(std::uint8_t* p, std::uint16_t v) {
  v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be32(std::uint8_t* p, std::uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be64(std::uint8_t* p, std::uint64_t v) {
  v = __builtin_bswap64(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_le32(std::uint8_t* p, std::uint32_t v) {
  std::memcpy(p, &v, sizeof v);
}
inline void store_le64(std::uint8_t* p, std::uint64_t v) {
  std::memcpy(p, &v, sizeof v);
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "big-endian machines need their own loads");

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  std::uint8_t u8() { return take(1) ? last_[0] : std::uint8_t{0}; }
  std::uint16_t u16() { return take(2) ? load_be16(last_) : std::uint16_t{0}; }
  std::uint32_t u32() { return take(4) ? load_be32(last_) : 0u; }
  std::uint64_t u64() { return take(8) ? load_be64(last_) : 0u; }
  // A view of the next n bytes; empty, and ok() false, if there are fewer.
  ByteView view(std::size_t n) { return take(n) ? ByteView(last_, n) : ByteView(); }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    if (take(N)) std::memcpy(out.data(), last_, N);
    return out;
  }
  std::size_t remaining() const { return rest_.size(); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }  // everything read, nothing left over

 private:
  bool take(std::size_t n) {
    if (!ok_ || rest_.size() < n) {
      ok_ = false;
      rest_ = {};
      return false;
    }
    last_ = rest_.data();
    rest_ = rest_.subspan(n);
    return true;
  }
  ByteView rest_;
  const std::uint8_t* last_ = nullptr;
  bool ok_ = true;
};

// Appends to a vector it does not own. For the control side; packets are written in place with the store functions.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  void u8(std::uint8_t v) { out_.push_back(v); }
  void u16(std::uint16_t v) {
    grow(2, [&](std::uint8_t* p) { store_be16(p, v); });
  }
  void u32(std::uint32_t v) {
    grow(4, [&](std::uint8_t* p) { store_be32(p, v); });
  }
  void u64(std::uint64_t v) {
    grow(8, [&](std::uint8_t* p) { store_be64(p, v); });
  }
  void bytes(ByteView v) { out_.insert(out_.end(), v.begin(), v.end()); }

 private:
  template <typename Store>
  void grow(std::size_t n, Store store) {
    out_.resize(out_.size() + n);
    store(out_.data() + out_.size() - n);
  }
  Bytes& out_;
};

std::string to_hex(ByteView bytes);
// False if `text` is not an even number of hexadecimal digits; `out` is then unspecified.
bool from_hex(std::string_view text, Bytes& out);
std::string to_base64(ByteView bytes);  // RFC 4648 section 4, padded
bool from_base64(std::string_view text, Bytes& out);

}  // namespace entresol::base
