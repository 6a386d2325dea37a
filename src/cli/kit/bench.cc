#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/kit/kit.h"
#include "cli/kit/workshop.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "service/environment.h"

namespace entresol::cli::kit {
namespace {

namespace modules = service::modules;

constexpr std::uint32_t kBatch = 32;
constexpr std::size_t kPayload = 64;  // octets a packet, if the service reads it
constexpr unsigned kStarts = 200;
constexpr unsigned kRounds = 21;  // of which the median counts
constexpr base::Duration kRound = std::chrono::milliseconds(20);

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// 32 flows between as many members, to ports that services know.
struct Load {
  std::array<entresol_packet, kBatch> packets{};
  std::array<entresol_verdict, kBatch> verdicts{};
  base::Bytes payload;
  std::array<std::uint8_t, ENTRESOL_OUT_SIZE> out{};

  explicit Load(const service::Manifest& manifest, std::uint32_t room) {
    constexpr std::array<std::uint16_t, 4> kPorts = {443, 53, 22, 4789};
    const bool reads = manifest.payload && room >= kBatch * kPayload;
    if (reads) payload.resize(kBatch * kPayload, 0x55);
    for (std::uint32_t i = 0; i < kBatch; ++i) {
      entresol_packet& packet = packets[i];
      using service::Field;
      packet.handle = i + 1;
      const auto asks = [&](Field field) { return manifest.asks_for(field); };
      if (asks(Field::kSource)) packet.source = name(static_cast<std::uint8_t>(i));
      if (asks(Field::kDestination)) packet.destination = name(static_cast<std::uint8_t>(i + 100));
      if (asks(Field::kFlow)) packet.flow = i * 7919 + 1;
      if (asks(Field::kInnerProtocol)) packet.inner_protocol = i % 2 == 0 ? 6 : 17;
      if (asks(Field::kPort)) packet.port = kPorts[i % kPorts.size()];
      if (asks(Field::kLength)) packet.length = 64;
      if (!reads) continue;
      packet.payload = static_cast<std::uint32_t>(i * kPayload);
      packet.payload_size = kPayload;
    }
  }
  entresol_batch batch() {
    return {kBatch,         static_cast<std::uint32_t>(payload.size()),
            packets.data(), verdicts.data(),
            payload.data(), out.data()};
  }

 private:
  static entresol_name name(std::uint8_t last) {
    entresol_name out{};
    out.octets[0] = 0xfd;
    out.octets[1] = 0x35;
    out.octets[15] = last;
    return out;
  }
};

struct Figures {
  double packet_ns = 0, start_us = 0;
  std::optional<service::Fault> fault;
};

Figures measure(const service::Manifest& manifest, const Checked& checked) {
  Figures out;
  io::SystemRandom random;
  service::Environment environment(manifest, random, nullptr);
  environment.at(io::now(), io::unix_nanos());
  modules::ModuleProgram program(checked.code, manifest.limits);
  std::vector<double> starts, rounds;
  for (unsigned i = 0; i < kStarts; ++i) {
    const base::TimePoint began = io::now();
    if ((out.fault = program.start(environment))) return out;
    starts.push_back(std::chrono::duration<double, std::micro>(io::now() - began).count());
  }
  Load load(manifest, program.payload_room());
  for (unsigned i = 0; i < kRounds; ++i) {
    const base::TimePoint began = io::now();
    base::TimePoint ended = began;
    std::uint64_t packets = 0;
    for (; ended - began < kRound; ended = io::now()) {
      environment.at(ended, 0);
      for (int call = 0; call < 64; ++call, packets += kBatch)
        if ((out.fault = program.packets(load.batch()))) return out;
    }
    rounds.push_back(std::chrono::duration<double, std::nano>(ended - began).count() /
                     static_cast<double>(packets));
  }
  out.start_us = median(starts);
  out.packet_ns = median(rounds);
  return out;
}

}  // namespace

int bench(const Global& global, const std::string& folder) {
  auto project = open_project(folder);
  if (!project) return report(global, project.error());
  if (auto compiled = compile_if_old(*project); !compiled) return report(global, compiled.error());
  auto checked = check_module(*project);
  if (!checked) return report(global, checked.error());
  const service::Manifest& manifest = project->service.manifest;
  Figures figures;
  {
    const Budget budget(checked->sandbox->engine());
    figures = measure(manifest, *checked);
  }
  if (figures.fault) return report(global, fault_error(*project, *figures.fault));
  const double compile_ms =
      std::chrono::duration<double, std::milli>(checked->compile_time).count();
  if (global.json) {
    print(Json{{"service", manifest.name},
               {"ns_a_packet", figures.packet_ns},
               {"batch", kBatch},
               {"start_us", figures.start_us},
               {"compile_ms", compile_ms}});
    return runtime::kExitOk;
  }
  std::printf("%s  %.1f ns a packet, in batches of %u of new flows on one core\n",
              bold(manifest.name).c_str(), figures.packet_ns, kBatch);
  std::printf("an instance starts in %.1f us; a node compiles the module once, in %.1f ms\n",
              figures.start_us, compile_ms);
  std::printf("%s\n",
              dim("medians on this machine, of the module alone: no network, no ring").c_str());
  next(global,
       "entresol service pack --key FILE" + (project->folder == "." ? "" : " " + project->folder),
       "sign it for others");
  return runtime::kExitOk;
}

}  // namespace entresol::cli::kit
