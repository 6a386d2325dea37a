#include "config/service_file.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::config {
namespace {

using service::Field;

constexpr std::string_view kLeast = "service: hello\nid: 2147483649\n";

std::string error(std::string_view yaml) {
  const auto parsed = parse_service(yaml, "service.yaml");
  return parsed ? "" : parsed.error().code + " " + parsed.error().message;
}

TEST(ServiceFile, TheLeastThatAServiceSays) {
  const auto parsed = parse_service(kLeast, "/home/me/hello/service.yaml");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->manifest.name, "hello");
  EXPECT_EQ(parsed->manifest.id, 2147483649u);
  EXPECT_EQ(parsed->manifest.version, 1u);
  EXPECT_EQ(parsed->manifest.fields, 0u);
  EXPECT_FALSE(parsed->manifest.payload);
  EXPECT_EQ(parsed->manifest.fallback, service::Fallback::kDrop);
  EXPECT_EQ(parsed->manifest.limits, service::Limits{});
  EXPECT_EQ(parsed->module, "/home/me/hello/hello.wasm");
}

TEST(ServiceFile, Everything) {
  const auto parsed = parse_service(R"(
service: hello
id: 0x80000001
version: 7
module: build/h.wasm
licence: Apache-2.0
fields: [source, port, length]
payload: true
fallback: deliver
limits: {memory: 2 MiB, batch: 200 us, cpu: 5 %, ephemeral: 1 KiB, stable: 3MiB, timers: 2, held: 3,
         log_lines: 4, withdrawals: 5, waiting: 6, packets: 7, octets: 8 KiB}
uses: [crypto]
metrics:
  - {name: denied, help: packets that were refused}
  - {name: delay, kind: histogram}
config:
  - {name: limit, type: integer, default: 5, minimum: 1, maximum: 9, help: a second}
  - {name: greeting}
)",
                                    "service.yaml");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const service::Manifest& manifest = parsed->manifest;
  EXPECT_EQ(parsed->module, "build/h.wasm");
  EXPECT_EQ(parsed->licence, "Apache-2.0");
  EXPECT_EQ(manifest.version, 7u);
  EXPECT_EQ(manifest.fields, service::fields_of({Field::kSource, Field::kPort, Field::kLength}));
  EXPECT_TRUE(manifest.payload);
  EXPECT_TRUE(manifest.may(service::Use::kCrypto));
  EXPECT_EQ(manifest.fallback, service::Fallback::kDeliver);
  const service::Limits& limits = manifest.limits;
  EXPECT_EQ(limits.memory, 2u << 20);
  EXPECT_EQ(limits.batch, std::chrono::microseconds(200));
  EXPECT_EQ(limits.cpu_permille, 50u);
  EXPECT_EQ(limits.ephemeral, 1024u);
  EXPECT_EQ(limits.stable, 3u << 20);
  EXPECT_EQ(limits.timers, 2u);
  EXPECT_EQ(limits.held, 3u);
  EXPECT_EQ(limits.log_lines, 4u);
  EXPECT_EQ(limits.withdrawals, 5u);
  EXPECT_EQ(limits.waiting, 6u);
  EXPECT_EQ(limits.packets, 7u);
  EXPECT_EQ(limits.octets, 8192u);
  ASSERT_EQ(manifest.metrics.size(), 2u);
  EXPECT_EQ(manifest.metrics[0].kind, service::MetricKind::kCounter);
  EXPECT_EQ(manifest.metrics[1].kind, service::MetricKind::kHistogram);
  ASSERT_EQ(manifest.config.size(), 2u);
  EXPECT_EQ(manifest.config[0].otherwise, "5");
  EXPECT_EQ(manifest.config[0].most, 9u);
  EXPECT_EQ(manifest.config[1].otherwise, "");
}

TEST(ServiceFile, ErrorsSayWhereAndWhat) {
  const std::string least(kLeast);
  EXPECT_EQ(error("service: hello\n"), "E0104 service.yaml:1:1: id: this key is required");
  EXPECT_EQ(error("service: Hello\nid: 2\n"),
            "E0103 service.yaml:1:10: service: 'Hello' is no name: 1 to 32 of a-z, 0-9, '-' and "
            "'_', the first not '-'");
  EXPECT_EQ(error(least + "fields: [sauce]\n"),
            "E0103 service.yaml:3:9: fields: 'sauce' is none of source, destination, flow, "
            "inner_protocol, inner_flags, port, next_protocol, traffic_class, length");
  EXPECT_EQ(error(least + "uses: [magic]\n"),
            "E0103 service.yaml:3:7: uses: 'magic' is none of crypto");
  EXPECT_EQ(error(least + "limits: {memory: 17 MiB}\n"),
            "E0103 service.yaml:3:18: limits.memory: '17 MiB' is no amount of B, KiB, MiB up to 16 "
            "MiB");
  EXPECT_EQ(error(least + "limits: {cpu: 5}\n"),
            "E0103 service.yaml:3:15: limits.cpu: '5' is no amount of % up to 100 %");
  EXPECT_NE(error(least + "limits: {memory: 18446744073709551615 MiB}\n"), "");
  EXPECT_EQ(error(least + "metrics: [{name: a}, {name: a}]\n"),
            "E0103 service.yaml:3:29: metrics[1].name: 'a' is here twice");
  EXPECT_EQ(error(least + "config: [{name: a, type: integer, default: 5, maximum: 4}]\n"),
            "E0103 service.yaml:3:44: config[0].default: expected a number from 0 to 4, not '5'");
  EXPECT_NE(error(least + "limit: {}\n"), "");
}

}  // namespace
}  // namespace entresol::config
