// Bare Wasmtime: what crossing into a sandbox costs when nothing of a product is around it. Through the C interface, with
// the pooling allocator and epoch interruption; headers of 64 bytes are copied into the module's memory, verdicts out.
//
//   batch    one instance: ns a packet in batches of --batch, and of the same source native at -O3 with the same copies
//   tenants  --tenants instances of the five modules in turn, a random one for each packet, one call a packet: ns a packet,
//            time to start an instance (and to end it and start it again) with compiled code at hand, memory an instance
//
// --modules names other modules, separated by commas: each exports where() -> i32, decide(i32) and a memory, as in
// reference/modules/module.h. Prints one JSON object.
#include <malloc.h>
#include <unistd.h>
#include <wasmtime.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "reference/options.h"

#define ENTRESOL_NATIVE(name)       \
  std::uint8_t* name##_where(void); \
  void name##_decide(std::uint32_t count);
extern "C" {
ENTRESOL_NATIVE(table)
ENTRESOL_NATIVE(filter)
ENTRESOL_NATIVE(balancer)
ENTRESOL_NATIVE(counter)
ENTRESOL_NATIVE(limiter)
}

namespace entresol::bench {
namespace {

constexpr std::size_t kHeader = 64;
constexpr std::size_t kMostBatch = 32;
constexpr std::size_t kVerdicts = kHeader * kMostBatch;  // where they lie behind the headers
constexpr std::size_t kPackets = 256;                    // as many as a worker hands over at once

struct Native {
  const char* name;
  std::uint8_t* (*where)();
  void (*decide)(std::uint32_t);
};
constexpr Native kNative[] = {{"table", table_where, table_decide},
                              {"filter", filter_where, filter_decide},
                              {"balancer", balancer_where, balancer_decide},
                              {"counter", counter_where, counter_decide},
                              {"limiter", limiter_where, limiter_decide}};

double now_ns() {
  return std::chrono::duration<double, std::nano>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void check(wasmtime_error_t* error, wasm_trap_t* trap = nullptr) {
  if (error == nullptr && trap == nullptr) return;
  wasm_byte_vec_t text;
  error != nullptr ? wasmtime_error_message(error, &text) : wasm_trap_message(trap, &text);
  Options::fail(std::string(text.data, text.size));
}

wasm_engine_t* make_engine(std::uint32_t instances) {
  wasm_config_t* config = wasm_config_new();
  wasmtime_config_epoch_interruption_set(config, true);
  wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
  auto* pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, instances);
  wasmtime_pooling_allocation_config_total_memories_set(pool, instances);
  wasmtime_pooling_allocation_config_total_tables_set(pool, instances);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, 16 << 20);
  wasmtime_pooling_allocation_strategy_set(config, pool);
  wasmtime_pooling_allocation_config_delete(pool);
  return wasm_engine_new_with_config(config);
}

// A module, compiled, serialised and loaded again, as from a cache.
struct Module {
  wasmtime_module_t* module = nullptr;
  wasmtime_instance_pre_t* pre = nullptr;
  double compile_ms = 0;
  double load_us = 0;

  Module(wasm_engine_t* engine, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string wasm{std::istreambuf_iterator<char>(file), {}};
    if (wasm.empty()) Options::fail("cannot read " + path);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(wasm.data());
    wasmtime_module_t* compiled = nullptr;
    const double start = now_ns();
    check(wasmtime_module_new(engine, bytes, wasm.size(), &compiled));
    compile_ms = (now_ns() - start) / 1e6;
    wasm_byte_vec_t code;
    check(wasmtime_module_serialize(compiled, &code));
    wasmtime_module_delete(compiled);
    const double loading = now_ns();
    check(wasmtime_module_deserialize(engine, reinterpret_cast<std::uint8_t*>(code.data), code.size,
                                      &module));
    load_us = (now_ns() - loading) / 1e3;
    wasm_byte_vec_delete(&code);
    wasmtime_linker_t* linker = wasmtime_linker_new(engine);
    check(wasmtime_linker_instantiate_pre(linker, module, &pre));
    wasmtime_linker_delete(linker);
  }
};

class Instance {
 public:
  void start(wasm_engine_t* engine, const Module& module) {
    store_ = wasmtime_store_new(engine, nullptr, nullptr);
    context_ = wasmtime_store_context(store_);
    wasmtime_context_set_epoch_deadline(context_, 1u << 30);
    wasm_trap_t* trap = nullptr;
    check(wasmtime_instance_pre_instantiate(module.pre, context_, &instance_, &trap), trap);
  }
  void find() {
    const wasmtime_extern_t memory = get("memory");
    const wasmtime_extern_t where = get("where");
    decide_ = get("decide").of.func;
    wasmtime_val_raw_t value{};
    wasm_trap_t* trap = nullptr;
    check(wasmtime_func_call_unchecked(context_, &where.of.func, &value, 1, &trap), trap);
    batch_ =
        wasmtime_memory_data(context_, &memory.of.memory) + static_cast<std::uint32_t>(value.i32);
  }
  void stop() { wasmtime_store_delete(store_); }

  void decide(const std::uint8_t* headers, std::uint8_t* verdicts, std::size_t count) {
    std::memcpy(batch_, headers, count * kHeader);
    wasmtime_val_raw_t value{};
    value.i64 = static_cast<std::int64_t>(count);
    wasm_trap_t* trap = nullptr;
    wasmtime_error_t* error = wasmtime_func_call_unchecked(context_, &decide_, &value, 1, &trap);
    if (error != nullptr || trap != nullptr) [[unlikely]]
      check(error, trap);
    std::memcpy(verdicts, batch_ + kVerdicts, count);
  }

 private:
  wasmtime_extern_t get(const char* name) {
    wasmtime_extern_t item;
    if (!wasmtime_instance_export_get(context_, &instance_, name, std::strlen(name), &item)) {
      Options::fail(std::string("a module exports no ") + name);
    }
    return item;
  }

  wasmtime_context_t* context_ = nullptr;
  std::uint8_t* batch_ = nullptr;
  wasmtime_func_t decide_{};
  wasmtime_store_t* store_ = nullptr;
  wasmtime_instance_t instance_{};
};

std::vector<std::uint8_t> make_packets(std::mt19937& random) {
  std::vector<std::uint8_t> packets(kPackets * kHeader);
  for (auto& byte : packets) byte = static_cast<std::uint8_t>(random());
  constexpr std::uint16_t kPorts[] = {22, 53, 80, 443, 443, 443, 3210, 5432};
  for (std::size_t i = 0; i < kPackets; ++i) {
    std::memcpy(&packets[i * kHeader + 50], &kPorts[random() % std::size(kPorts)], 2);
    packets[i * kHeader + 52] = random() % 4 == 0 ? 17 : 6;
  }
  return packets;
}

// Median over rounds of the time a packet; every round asks for `packets` verdicts.
template <typename Round>
double measure(double seconds, std::size_t packets, Round round) {
  std::vector<double> rounds;
  const double end = now_ns() + seconds * 1e9;
  while (now_ns() < end) {
    const double start = now_ns();
    round();
    rounds.push_back((now_ns() - start) / static_cast<double>(packets));
  }
  return median(std::move(rounds));
}

void run_batch(wasm_engine_t* engine, std::vector<Module>& modules, std::size_t batch,
               double seconds) {
  std::mt19937 random(1);
  const auto packets = make_packets(random);
  std::vector<std::uint8_t> verdicts(kPackets);
  std::vector<std::uint8_t> native_verdicts(kPackets);
  std::printf("{\"batch\": %zu, \"modules\": [", batch);
  for (std::size_t m = 0; m < modules.size(); ++m) {
    Instance instance;
    instance.start(engine, modules[m]);
    instance.find();
    const auto all = [&](auto&& decide, std::vector<std::uint8_t>& to) {
      for (int repeat = 0; repeat < 64; ++repeat) {
        for (std::size_t i = 0; i < kPackets; i += batch) decide(&packets[i * kHeader], &to[i]);
      }
    };
    const double ns = measure(seconds, 64 * kPackets, [&] {
      all([&](const std::uint8_t* from, std::uint8_t* to) { instance.decide(from, to, batch); },
          verdicts);
    });
    double native_ns = 0;
    if (m < std::size(kNative)) {
      const Native& native = kNative[m];
      std::uint8_t* place = native.where();
      native_ns = measure(seconds, 64 * kPackets, [&] {
        all(
            [&](const std::uint8_t* from, std::uint8_t* to) {
              std::memcpy(place, from, batch * kHeader);
              native.decide(static_cast<std::uint32_t>(batch));
              std::memcpy(to, place + kVerdicts, batch);
            },
            native_verdicts);
      });
      // The limiter's verdicts depend on how many packets there were before.
      if (std::string(native.name) != "limiter" && verdicts != native_verdicts) {
        Options::fail(std::string(native.name) + ": native and sandboxed verdicts differ");
      }
    }
    std::printf(
        "%s{\"ns_per_packet\": %.2f, \"native_ns\": %.2f, \"compile_ms\": %.2f, \"load_us\": %.1f}",
        m == 0 ? "" : ", ", ns, native_ns, modules[m].compile_ms, modules[m].load_us);
    instance.stop();
  }
  std::printf("]}\n");
}

double resident_kib() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

void run_tenants(wasm_engine_t* engine, std::vector<Module>& modules, std::size_t tenants,
                 double seconds) {
  std::mt19937 random(1);
  const auto packets = make_packets(random);
  const auto module_of = [&](std::size_t tenant) -> Module& {
    return modules[tenant % modules.size()];
  };
  std::vector<Instance> instances(tenants);
  // Once each, so that code and shared pages are there before memory is counted.
  for (std::size_t i = 0; i < modules.size(); ++i) {
    Instance first;
    first.start(engine, modules[i]);
    first.find();
    std::uint8_t verdict;
    first.decide(packets.data(), &verdict, 1);
    first.stop();
  }
  malloc_trim(0);
  const double before = resident_kib();
  std::vector<double> starts;
  for (std::size_t i = 0; i < tenants; ++i) {
    const double start = now_ns();
    instances[i].start(engine, module_of(i));
    starts.push_back(now_ns() - start);
  }
  const double started = resident_kib();
  std::vector<std::uint8_t> verdicts(kMostBatch);
  for (auto& instance : instances) {
    instance.find();
    instance.decide(packets.data(), verdicts.data(), kMostBatch);
  }
  const double used = resident_kib();

  // A new order for every round costs time that is not a packet's, so orders are made before.
  const std::size_t in_round = std::max<std::size_t>(tenants * 2, 20'000);
  std::vector<std::uint32_t> order(in_round);
  for (auto& tenant : order) tenant = static_cast<std::uint32_t>(random() % tenants);
  std::uint8_t verdict = 0;
  const double ns = measure(seconds, in_round, [&] {
    for (std::size_t i = 0; i < in_round; ++i) {
      instances[order[i]].decide(&packets[i % kPackets * kHeader], &verdict, 1);
    }
  });

  std::vector<double> restarts;
  for (std::size_t i = 0; i < std::min<std::size_t>(tenants, 1000); ++i) {
    const double start = now_ns();
    instances[i].stop();
    instances[i].start(engine, module_of(i));
    restarts.push_back(now_ns() - start);
  }
  std::printf(
      "{\"tenants\": %zu, \"ns_per_packet\": %.1f, \"start_us\": %.2f, \"restart_us\": %.2f, "
      "\"started_kib\": %.2f, \"used_kib\": %.2f}\n",
      tenants, ns, median(starts) / 1e3, median(restarts) / 1e3,
      (started - before) / static_cast<double>(tenants),
      (used - before) / static_cast<double>(tenants));
  for (auto& instance : instances) instance.stop();
}

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what != "batch" && what != "tenants")
    Options::fail("wasmtime_loop batch|tenants [--NAME VALUE...]");
  Options options(argc, argv, 2);
  const auto batch = static_cast<std::size_t>(options.number("batch", 32));
  const auto tenants = static_cast<std::size_t>(options.number("tenants", 1000));
  const double seconds = options.number("seconds", 1);
  const int cpu = static_cast<int>(options.number("cpu", -1));
  std::stringstream paths(options.text("modules", ENTRESOL_BENCH_MODULES));
  options.refuse_unknown();
  if (batch == 0 || batch > kMostBatch || kPackets % batch != 0)
    Options::fail("--batch: 1, 2, 4, 8, 16 or 32");
  if (tenants == 0 || tenants > 20'000) Options::fail("--tenants: 1 to 20000");
  pin_to_cpu(cpu);
  wasm_engine_t* engine = make_engine(static_cast<std::uint32_t>(tenants + 1));
  std::vector<Module> modules;
  for (std::string path; std::getline(paths, path, ',');) modules.emplace_back(engine, path);
  what == "batch" ? run_batch(engine, modules, batch, seconds)
                  : run_tenants(engine, modules, tenants, seconds);
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run(argc, argv);
}
