// A host's TUN devices, one for each layer: what applications send goes to the member, what the member delivers is joined
// into few large writes.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "io/tun.h"
#include "layer/inner/coalesce.h"
#include "runtime/runtime.h"

namespace entresol::host {

class TunApplications final : public runtime::Applications {
 public:
  explicit TunApplications(runtime::Runtime& runtime);

  // The device of the next layer, in the order of the layers. It must be set up already.
  base::Result<void> add(io::Tun tun);
  const io::Tun& tun(layer::member::LayerIndex layer) const { return devices_[layer].tun; }

  void deliver(layer::member::LayerIndex layer, const layer::inner::InsidePacket& packet) override;
  void deliver_reply(layer::member::LayerIndex layer, base::ByteView packet) override;
  void flush() override;

 private:
  struct Device {
    explicit Device(io::Tun opened);
    io::Tun tun;
    layer::inner::Coalescer coalescer;
  };
  void read(layer::member::LayerIndex layer);
  void flush(Device& device);

  runtime::Runtime& runtime_;
  std::deque<Device> devices_;
  std::unique_ptr<std::uint8_t[]> buffer_;
};

}  // namespace entresol::host
