// Services that ship with a node: native, and asked inline.
#pragma once

#include <memory>
#include <string>

#include "service/instance.h"
#include "service/native_program.h"

namespace entresol::service {

// `service` and `random` outlive it. Started when it is added to a dispatcher's node, like any other.
inline std::unique_ptr<Instance> trusted(const entresol_service& service, std::string name,
                                         ServiceId id, Fields fields, base::RandomSource& random) {
  Manifest manifest;
  manifest.id = id;
  manifest.name = std::move(name);
  manifest.fields = fields;
  auto instance = std::make_unique<Instance>(
      std::move(manifest), std::make_unique<NativeProgram>(service), random, nullptr, nullptr);
  instance->start({}, 0);
  return instance;
}

}  // namespace entresol::service
