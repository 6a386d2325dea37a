// DNS messages, as much of them as a server of few records and a forwarder needs: of a query the header, its one question
// and EDNS; of an answer from upstream whether it belongs to a question. Records are only written, never read.
// RFC 1035 section 4, RFC 6891 (EDNS), RFC 2181, RFC 9619 (one question).
//
// Names are octets as on the wire, uncompressed, with the root's octet at the end, and at most kNameMaximum of them.
//
// Pure and re-entrant. Views live as long as the message that was parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace entresol::dns {

inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kNameMaximum = 255;
inline constexpr std::size_t kLabelMaximum = 63;
inline constexpr std::size_t kUdpMinimum = 512;    // what every asker takes
inline constexpr std::size_t kUdpAccepted = 1232;  // what is said to be taken here: no fragments
inline constexpr std::size_t kMessageMaximum = 65535;

inline constexpr std::uint16_t kClassIn = 1;
namespace type {
inline constexpr std::uint16_t kA = 1, kNs = 2, kSoa = 6, kPtr = 12, kAaaa = 28, kOpt = 41,
                               kIxfr = 251, kAxfr = 252, kAny = 255;
}

enum class Rcode : std::uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,  // of EDNS; only to who has sent EDNS
};

struct Query {
  std::uint16_t id = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  base::ByteView name;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::size_t question_end = 0;  // octets of header and question
  bool edns = false;
  std::uint8_t edns_version = 0;
  bool dnssec_ok = false;
  std::uint16_t udp_size = kUdpMinimum;  // of the largest answer over UDP

  // The question as it stands in the message.
  base::ByteView question(base::ByteView message) const {
    return message.subspan(kHeaderSize, question_end - kHeaderSize);
  }
};

enum class Parsed : std::uint8_t {
  kQuery,
  kNothing,         // too short for a header, or no query: not even an error answers it
  kMalformed,       // header_of and error_to answer it
  kNotImplemented,  // another opcode
};

Parsed parse_query(base::ByteView message, Query& out);

// The answer to what is no whole query: a header alone. `message` has kHeaderSize octets at least.
base::Bytes emit_error(base::ByteView message, Rcode rcode);

struct Record {
  std::size_t owner = 0;  // offset into the question's name: the owner is what begins there
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  base::Bytes data;
};

struct AnswerHead {
  Rcode rcode = Rcode::kNoError;
  bool authoritative = false;
  bool truncated = false;
};

// `message` is what `query` was parsed from.
base::Bytes emit_answer(base::ByteView message, const Query& query, const AnswerHead& head,
                        std::span<const Record> answers = {},
                        std::span<const Record> authority = {});

// Whether a message answers the question under this id, and how. Of an error the question may be missing.
std::optional<Rcode> parse_answer(base::ByteView message, std::uint16_t id,
                                  base::ByteView question);

// ---- names ---------------------------------------------------------------------------------------------------------

// "edge.internal", with or without the last dot, in lower case then. Nothing if it is no name of letters, digits, '-' and
// '_'. The root is "".
std::optional<base::Bytes> name_from_text(std::string_view text);
std::string text_of(base::ByteView name);            // escapes what is no printable character: \ddd
bool same_name(base::ByteView a, base::ByteView b);  // without regard to case (RFC 4343)
// Where in `name` the name `zone` begins, if it is that or one above it.
std::optional<std::size_t> within(base::ByteView name, base::ByteView zone);
// The first label of a name that has one, in lower case; the rest begins 1 + its size further on.
std::string first_label(base::ByteView name);
inline bool is_root(base::ByteView name) {
  return name.size() <= 1;
}

}  // namespace entresol::dns
