// Several nodes, each with hosts of its own that reach no other: what the nodes know of one another's hosts they are told
// by publish(), as a controller would, or tell one another.
#pragma once

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::layer::member::test {

class Sites {
 public:
  Sites(std::uint64_t seed, std::size_t sites = 2, std::size_t hosts_each = 1,
        std::uint16_t links_max_packet = kMaxPacket)
      : world(seed), authority(seed + 1000), max_packet(links_max_packet) {
    for (std::size_t i = 0; i < sites; ++i) {
      const auto number = static_cast<std::uint8_t>(1 + i);
      nodes.push_back(std::make_unique<Machine>(
          world, number, true,
          std::vector<Joined>{join(authority, membership::Role::kNode, "node" + std::to_string(i),
                                   {100, 64, 0, number})}));
    }
    for (std::size_t i = 0; i < sites * hosts_each; ++i) {
      const auto number = static_cast<std::uint8_t>(20 + i);
      home.push_back(i / hosts_each);
      hosts.push_back(std::make_unique<Machine>(
          world, number, false,
          std::vector<Joined>{join(authority, membership::Role::kHost, "host" + std::to_string(i),
                                   {100, 64, 1, number})}));
      hosts.back()->teach = [this, i](Machine& self) {
        self.dial(*nodes[home[i]], 0, 0, max_packet);
      };
      hosts.back()->teach(*hosts.back());
    }
    for (auto& node : nodes) {
      node->teach = [this](Machine& self) {
        self->set_accepted_max_packet(max_packet, max_packet);
        acquaint(self);
      };
      node->teach(*node);
    }
  }

  Machine& node(std::size_t i) { return *nodes[i]; }
  Machine& host(std::size_t i) { return *hosts[i]; }
  Machine& home_of(std::size_t i) { return *nodes[home[i]]; }

  // The node knows the others, but nobody's hosts.
  void acquaint(Machine& self) {
    for (auto& other : nodes)
      if (other.get() != &self) self.hear_of(*other);
  }
  // All nodes know all hosts.
  void publish() {
    for (auto& node : nodes)
      for (auto& host : hosts) node->hear_of(*host);
  }
  bool attach() {
    return world.run_until(
        [&] {
          for (std::size_t i = 0; i < hosts.size(); ++i)
            if (!attached(i)) return false;
          return true;
        },
        seconds(30));
  }
  bool attached(std::size_t i) {
    const auto& tables = home_of(i)->tables();
    const auto* place = tables.layers[0].names.find(host(i).in().name);
    return host(i)->attached(0) && place != nullptr && tables.links[place->link].send != nullptr &&
           tables.links[place->link].kind == forwarding::LinkKind::kHost;
  }
  void move(std::size_t i, std::size_t to) {
    home[i] = to;
    host(i)->undial(host(i)->tables().layers[0].names.default_link);
    host(i).dial(node(to), 0, 0, max_packet);
  }

  // Of a flow of this direction alone.
  static Bytes packet(Machine& from, Machine& to, int version = 6) {
    InnerPacket inner;
    inner.version = version;
    return build(inner, from.in().addresses, to.in().addresses);
  }
  bool reaches(std::size_t from, std::size_t to, int version = 6,
               base::Duration limit = seconds(10)) {
    host(to).delivered.clear();
    host(from).application(packet(host(from), host(to), version));
    return world.run_until([&] { return !host(to).delivered.empty(); }, limit);
  }
  // Of one node to another, as the one sees it.
  const forwarding::Link* between(std::size_t from, std::size_t to) {
    const auto& tables = node(from)->tables();
    const auto* place = tables.layers[0].names.find(node(to).in().name);
    return place == nullptr ? nullptr : &tables.links[place->link];
  }
  // The link at a node that a name is placed on; null: none.
  const forwarding::Link* place_of(std::size_t at, const wire::Name& name) {
    const auto& tables = node(at)->tables();
    const auto* place = tables.layers[0].names.find(name);
    return place == nullptr ? nullptr : &tables.links[place->link];
  }
  std::size_t used_links(std::size_t at) {
    std::size_t used = 0;
    const auto& links = node(at)->tables().links;
    for (std::uint32_t i = 1; i < links.size(); ++i) used += links[forwarding::LinkId(i)].used;
    return used;
  }

  // For messages: where a host is, and where each node believes it to be.
  std::string whereabouts(std::size_t i) {
    const wire::Name& name = host(i).in().name;
    std::string out = host(i).in().label + " is at " + home_of(i).in().label +
                      (attached(i) ? "" : " (not attached)") + ";";
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      const auto* link = place_of(at, name);
      const auto* far = link == nullptr ? nullptr : node(at)->membership(0).find(link->name);
      const auto* known = node(at)->membership(0).find(name);
      out += " " + node(at).in().label + ": " +
             (link == nullptr  ? "nowhere"
              : far == nullptr ? "?"
                               : far->label) +
             (link != nullptr && link->send ? "" : " (no keys)") + " of " +
             std::to_string(known == nullptr ? 0 : known->sequence % 1000000000000) + ";";
    }
    return out + "\n";
  }
  // What everybody has dropped.
  std::string drops() const {
    std::string out;
    for (const auto* machines : {&nodes, &hosts})
      for (const auto& machine : *machines)
        for (std::size_t r = 1; r < base::kDropReasons; ++r)
          if (const auto n = machine->drops(static_cast<DropReason>(r)); n > 0)
            out += machine->in().label + ": " + std::to_string(n) + " " +
                   std::string(base::to_string(static_cast<DropReason>(r))) + "\n";
    return out;
  }

  World world;
  Authority authority;
  const std::uint16_t max_packet;
  std::vector<std::unique_ptr<Machine>> nodes, hosts;
  std::vector<std::size_t> home;
};

}  // namespace entresol::layer::member::test
