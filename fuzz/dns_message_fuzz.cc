// Whatever an application, a guest or a server upstream sends: every reply has the query's number, is whole and fits.
// fuzzes: dns/message.h
#include "dns/message.h"

#include <algorithm>
#include <cstdlib>

#include "dns/server.h"

namespace {

using namespace entresol;

constexpr std::size_t kLargest = 1232;

void require(bool holds) {
  if (!holds) std::abort();
}

class Numbers final : public base::RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override { std::ranges::fill(out, std::uint8_t{0x5a}); }
};

// Labels of up to three octets are members', of four nobody's; of others somebody would have to be asked.
class Members final : public dns::Lookup {
 public:
  dns::Known by_label(std::string_view label, dns::Found& out) override {
    if (label.size() > 4) return dns::Known::kLater;
    if (label.size() == 4) return dns::Known::kUnknown;
    return found(std::string(label), out);
  }
  dns::Known by_name(const dns::Ipv6&, dns::Found& out) override { return found("abc", out); }
  dns::Known by_ipv4(const dns::Ipv4&, dns::Found& out) override {
    return found(std::string(dns::kLabelMaximum, 'a'), out);
  }

 private:
  static dns::Known found(std::string label, dns::Found& out) {
    out = {std::move(label), {0xfd, 0x35}, {100, 64, 0, 1}, 30};
    return dns::Known::kFound;
  }
};

void serve(base::ByteView message) {
  Numbers random;
  Members members;
  dns::Server server(random);
  server.add({*dns::name_from_text("e"), {0xfd, 0x35, 0, 0}, dns::Ipv4Prefix{{100, 64, 0, 0}, 10}},
             members);
  base::Endpoint upstream;
  upstream.port = 53;
  server.forwarder().set_servers({upstream});
  const bool replies = server.take(1, message, false, kLargest, base::TimePoint{});
  require(server.replies().size() + server.sends().size() + (server.waits() ? 1 : 0) ==
          (replies ? 1 : 0));
  for (const dns::Reply& reply : server.replies()) {
    require(reply.message.size() >= dns::kHeaderSize && reply.message.size() <= kLargest);
    require(std::equal(message.begin(), message.begin() + 2, reply.message.begin()));
    require((reply.message[2] & 0x80) != 0);
  }
  for (const dns::Send& send : server.sends())
    require(std::ranges::equal(base::ByteView(send.message).subspan(2), message.subspan(2)));
  server.on_timer(base::TimePoint{} + std::chrono::hours(1));
}

// As the answer to a question that was asked.
void answer(base::ByteView message) {
  Numbers random;
  dns::Forwarder forwarder(random);
  base::Endpoint upstream;
  upstream.port = 53;
  forwarder.set_servers({upstream});
  const base::Bytes query{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
  dns::Query parsed;
  require(dns::parse_query(query, parsed) == dns::Parsed::kQuery);
  forwarder.ask(1, query, parsed, false, dns::kUdpMinimum, base::TimePoint{});
  forwarder.answered(forwarder.sends().at(0).ticket, message, base::TimePoint{});
  for (const dns::Reply& reply : forwarder.replies())
    require(reply.message.size() <= dns::kUdpMinimum && base::load_be16(reply.message.data()) == 7);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  dns::Query query;
  if (dns::parse_query(input, query) == dns::Parsed::kQuery) {
    const std::string text = dns::text_of(query.name);
    require(dns::within(query.name, query.name) == 0u);
    const auto again = dns::name_from_text(text);
    if (again) require(dns::same_name(*again, query.name));
  }
  (void)dns::name_from_text({reinterpret_cast<const char*>(data), size});
  if (size <= dns::kMessageMaximum) {
    serve(input);
    answer(input);
  }
  return 0;
}
