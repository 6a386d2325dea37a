// tests/vectors/*.json through this room: both ways for what is valid, the reason for what is not.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "wire/control.h"
#include "wire/header.h"
#include "wire/record.h"
#include "wire/sample_packets.h"
#include "wire/session.h"
#include "wire/structured_field.h"

namespace entresol::wire {
namespace {

using base::DropReason;
using Json = nlohmann::json;

// The tests run in the repository's root.
Json vectors(const std::string& name) {
  std::ifstream file("tests/vectors/" + name);
  Json document = Json::parse(file, nullptr, false);
  if (!document.is_object()) ADD_FAILURE() << name << " is missing or no JSON";
  return document;
}

std::string text_of(const Json& value) {
  return value.get<std::string>();
}

base::Bytes bytes_of(const Json& hex) {
  return sample::hex(text_of(hex));
}

// Sections 3 and 4, and for control messages section 7.
DropReason judge(base::ByteView packet) {
  HeaderView header;
  DropReason reason = HeaderView::parse(packet, header);
  if (reason != DropReason::none || header.next_protocol() != next_protocol::kControl)
    return reason;
  ControlView control;
  return ControlView::parse(header.payload(), control);
}

Json session_value(const SessionHeader& session) {
  return {
      {"index", session.id.index()}, {"lane", session.id.lane()}, {"sequence", session.sequence}};
}

Json quote_value(const Quote& quote) {
  std::array<std::uint8_t, 4> layer;
  base::store_be32(layer.data(), quote.layer());
  Json value = {{"source", to_string(quote.source())},
                {"destination", to_string(quote.destination())},
                {"layer", base::to_hex(layer)},
                {"service", quote.service()},
                {"flow_id", quote.flow_id()},
                {"next_protocol", quote.next_protocol()},
                {"inner_protocol", quote.inner_protocol()},
                {"inner_flags", quote.inner_flags()},
                {"responder_port", quote.responder_port()}};
  if (quote.session()) value["session"] = session_value(*quote.session());
  return value;
}

Json control_value(base::ByteView payload) {
  ControlView control;
  if (ControlView::parse(payload, control) != DropReason::none) return {};
  Json value = {{"type", control.type()}, {"info", control.info()}};
  if (control.error()) {
    value["text"] = control.text();
    value["quote"] = base::to_hex(control.quote().octets());
    value["quoted"] = quote_value(control.quote());
    return value;
  }
  value["body"] = base::to_hex(control.body());
  if (control.known()) {
    value["identifier"] = control.echo_identifier();
    value["sequence"] = control.echo_sequence();
  }
  return value;
}

Json canonical_value(const HeaderView& view, const SessionView& session, const Json& layer_id) {
  LayerId id;
  const base::Bytes octets = bytes_of(layer_id);
  if (octets.size() != id.size()) return {};
  std::copy(octets.begin(), octets.end(), id.begin());
  EXPECT_EQ(wire_layer(id), view.layer());
  std::array<std::uint8_t, kCanonicalMaximum> form;
  const std::size_t size = emit_canonical(id, view, session.header(), form.data());
  if (!has_end_to_end_options(view)) {
    CanonicalForm cached(id, view);
    cached.set(session.header());
    EXPECT_EQ(base::to_hex(cached.octets()), base::to_hex({form.data(), size}));
  }
  return {{"layer_id", layer_id}, {"form", base::to_hex({form.data(), size})}};
}

Json option_values(const HeaderView& view) {
  Json options = Json::array();
  for (OptionView option : view.options()) {
    options.push_back({{"class", option.option_class()},
                       {"type", option.type()},
                       {"critical", option.critical()},
                       {"mutable", option.is_mutable()},
                       {"end_to_end", option.end_to_end()},
                       {"value", base::to_hex(option.value())}});
  }
  return options;
}

Json packet_value(const HeaderView& view, const Json& expected) {
  std::array<std::uint8_t, 4> layer;
  base::store_be32(layer.data(), view.layer());
  Json value = {{"ttl", view.ttl()},
                {"traffic_class", view.traffic_class()},
                {"next_protocol", view.next_protocol()},
                {"summary", view.summary()},
                {"header_length", view.header_size() / kHeaderUnit},
                {"payload_length", view.payload_size()},
                {"layer", base::to_hex(layer)},
                {"service", view.service()},
                {"flow_id", view.flow_id()},
                {"inner_protocol", view.inner_protocol()},
                {"opener", view.opener()},
                {"fragment", view.fragment()},
                {"responder_port", view.responder_port()},
                {"source", to_string(view.source())},
                {"destination", to_string(view.destination())},
                {"options", option_values(view)}};
  switch (view.next_protocol()) {
    case next_protocol::kNothing:
      break;
    case next_protocol::kControl:
      value["control"] = control_value(view.payload());
      break;
    case next_protocol::kSealed: {
      SessionView session;
      EXPECT_EQ(SessionView::parse(view.payload(), session), DropReason::none);
      value["session"] = session_value(session.header());
      value["session"]["sealed"] = base::to_hex(session.sealed());
      value["canonical"] = canonical_value(view, session, expected["canonical"]["layer_id"]);
      break;
    }
    default:
      value["payload"] = base::to_hex(view.payload());
  }
  return value;
}

TEST(Vectors, ValidPackets) {
  const Json document = vectors("packet.json");
  ASSERT_GE(document["valid"].size(), 30u);
  for (const Json& vector : document["valid"]) {
    SCOPED_TRACE(vector["name"]);
    const base::Bytes packet = bytes_of(vector["packet"]);
    HeaderView view;
    EXPECT_EQ(judge(packet), DropReason::none);
    ASSERT_EQ(HeaderView::parse(packet, view), DropReason::none);
    EXPECT_EQ(packet_value(view, vector["value"]), vector["value"]);
    EXPECT_EQ(base::to_hex(emit_packet(Header::from(view), view.payload())),
              text_of(vector["packet"]));
    EXPECT_EQ(name_from_text(text_of(vector["value"]["source"])), view.source());
    const FieldMessage message = to_field(view);
    EXPECT_EQ(message.field, text_of(vector["field"]));
    EXPECT_EQ(base::to_hex(message.body), text_of(vector["body"]));
    base::Bytes back;
    const FieldOutcome outcome =
        parse_field(text_of(vector["field"]), bytes_of(vector["body"]), back);
    EXPECT_TRUE(outcome.ok()) << outcome.refused;
    EXPECT_EQ(back, packet);
  }
}

TEST(Vectors, InvalidPackets) {
  const Json document = vectors("packet.json");
  std::set<std::string> reasons;
  for (const Json& vector : document["invalid"]) {
    const DropReason reason = judge(bytes_of(vector["packet"]));
    EXPECT_EQ(sample::text(reason), text_of(vector["reason"])) << vector["name"];
    reasons.insert(sample::text(reason));
  }
  EXPECT_EQ(reasons, (std::set<std::string>{"control_malformed", "header_length", "header_reserved",
                                            "header_truncated", "header_version",
                                            "option_malformed", "option_summary"}));
}

TEST(Vectors, ValidFields) {
  const Json document = vectors("field.json");
  ASSERT_FALSE(document["valid"].empty());
  for (const Json& vector : document["valid"]) {
    base::Bytes packet;
    const FieldOutcome outcome =
        parse_field(text_of(vector["field"]), bytes_of(vector["body"]), packet);
    EXPECT_TRUE(outcome.ok()) << vector["name"] << ": " << outcome.refused;
    EXPECT_EQ(base::to_hex(packet), text_of(vector["packet"])) << vector["name"];
  }
}

TEST(Vectors, InvalidFields) {
  const Json document = vectors("field.json");
  ASSERT_FALSE(document["invalid"].empty());
  for (const Json& vector : document["invalid"]) {
    base::Bytes packet;
    const FieldOutcome outcome =
        parse_field(text_of(vector["field"]), bytes_of(vector["body"]), packet);
    const std::string reason = outcome.refused.empty() ? sample::text(outcome.reason) : "refused";
    EXPECT_EQ(reason, text_of(vector["reason"])) << vector["name"] << ": " << outcome.refused;
  }
}

TEST(Vectors, Records) {
  const Json document = vectors("record.json");
  ASSERT_FALSE(document["valid"].empty());
  for (const Json& vector : document["valid"]) {
    const base::Bytes datagram = bytes_of(vector["datagram"]);
    RecordView view;
    ASSERT_EQ(RecordView::parse(datagram, view), DropReason::none) << vector["name"];
    const Json value = {{"index", view.id().index()}, {"lane", view.id().lane()},
                        {"path", view.id().path()},   {"worker", view.id().worker()},
                        {"counter", view.counter()},  {"sealed", base::to_hex(view.sealed())}};
    EXPECT_EQ(value, vector["value"]) << vector["name"];
    std::array<std::uint8_t, kRecordHeaderSize> header;
    emit_record_header(header.data(), view.id(), view.counter());
    EXPECT_EQ(base::to_hex(header), base::to_hex(view.associated_data())) << vector["name"];
  }
  for (const Json& vector : document["invalid"]) {
    RecordView view;
    const DropReason reason = RecordView::parse(bytes_of(vector["datagram"]), view);
    EXPECT_EQ(sample::text(reason), text_of(vector["reason"])) << vector["name"];
  }
}

std::string form_name(InnerForm form) {
  switch (form) {
    case InnerForm::payload:
      return "payload";
    case InnerForm::payload_behind_id:
      return "payload_behind_id";
    case InnerForm::whole_packet:
      return "whole_packet";
    case InnerForm::payload_dont_fragment:
      return "payload_dont_fragment";
  }
  return "none";
}

TEST(Vectors, SealedPrefixes) {
  const Json document = vectors("sealed_prefix.json");
  ASSERT_FALSE(document["valid"].empty());
  for (const Json& vector : document["valid"]) {
    const base::Bytes plaintext = bytes_of(vector["plaintext"]);
    SealedPrefix prefix;
    ASSERT_EQ(SealedPrefix::parse(plaintext, prefix), DropReason::none) << vector["name"];
    Json value = {{"checksum_unfinished", prefix.checksum_unfinished},
                  {"ip_version", prefix.ip_version},
                  {"form", form_name(prefix.form)},
                  {"rest", base::to_hex(base::ByteView(plaintext).subspan(prefix.size()))}};
    if (prefix.form == InnerForm::payload_behind_id)
      value["identification"] = prefix.identification;
    EXPECT_EQ(value, vector["value"]) << vector["name"];
    std::array<std::uint8_t, kSealedPrefixMaximum> again;
    prefix.emit(again.data());
    EXPECT_TRUE(std::equal(again.begin(), again.begin() + static_cast<long>(prefix.size()),
                           plaintext.begin()));
  }
  for (const Json& vector : document["invalid"]) {
    SealedPrefix prefix;
    const DropReason reason = SealedPrefix::parse(bytes_of(vector["plaintext"]), prefix);
    EXPECT_EQ(sample::text(reason), text_of(vector["reason"])) << vector["name"];
  }
}

}  // namespace
}  // namespace entresol::wire
