// Heads that are emitted as they were parsed: link record, session header, sealed prefix. The first
// octet chooses.
// fuzzes: wire/record.h
// fuzzes: wire/session.h
#include "wire/session.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "wire/record.h"

namespace {

using namespace entresol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_record(base::ByteView input) {
  wire::RecordView view;
  if (wire::RecordView::parse(input, view) != base::DropReason::none) return;
  require(wire::datagram_type(input) == wire::DatagramType::native_record);
  std::array<std::uint8_t, wire::kRecordHeaderSize> head;
  wire::emit_record_header(head.data(), view.id(), view.counter());
  require(std::equal(head.begin(), head.end(), view.associated_data().begin()));
  require(view.sealed().size() == view.plaintext_size() + wire::kTagSize);
}

void check_session(base::ByteView input) {
  wire::SessionView view;
  if (wire::SessionView::parse(input, view) != base::DropReason::none) return;
  std::array<std::uint8_t, wire::kSessionHeaderSize> head;
  view.header().emit(head.data());
  require(std::equal(head.begin(), head.end(), input.begin()));
  require(view.sealed().size() + head.size() == input.size());
}

void check_prefix(base::ByteView input) {
  wire::SealedPrefix prefix;
  if (wire::SealedPrefix::parse(input, prefix) != base::DropReason::none) return;
  std::array<std::uint8_t, wire::kSealedPrefixMaximum> head;
  prefix.emit(head.data());
  require(prefix.size() <= input.size());
  require(std::equal(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(prefix.size()),
                     head.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView input(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      check_record(input);
      break;
    case 1:
      check_session(input);
      break;
    default:
      check_prefix(input);
  }
  return 0;
}
