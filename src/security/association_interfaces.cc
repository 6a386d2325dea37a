// RFC 8922 section 5 for a live association.
#include "security/association_impl.h"

namespace entresol::security {
namespace {

std::string seconds(base::Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
}

std::string suite_name(crypto::AeadSuite suite) {
  return suite == crypto::AeadSuite::kAes256Gcm ? "AES-256-GCM" : "ChaCha20-Poly1305";
}

}  // namespace

std::vector<InterfaceReport> Associations::interfaces(PeerId id, base::TimePoint now) const {
  const Peer* peer = impl_->find(id);
  if (peer == nullptr) return {};
  const bool native = impl_->native();
  const Config& config = impl_->config;
  const auto& keys = peer->current;
  std::vector<InterfaceReport> out;
  const auto yes = [&](Interface interface, std::string_view code, std::string value) {
    out.push_back({interface, code, true, std::move(value)});
  };
  const auto no = [&](Interface interface, std::string_view code) {
    out.push_back({interface, code, false, {}});
  };
  yes(Interface::kIdentityAndPrivateKeys, "IPK", "X25519 " + base::to_base64(static_public()));
  yes(Interface::kSupportedAlgorithms, "ALG", "X25519, BLAKE2s, " + suite_name(config.suite));
  if (native) {
    yes(Interface::kExtensions, "EXT", "handshake items 1 to 6; 128 and above are skipped");
  } else {
    no(Interface::kExtensions, "EXT");
  }
  no(Interface::kSessionCacheManagement,
     "CM");  // nothing is resumed: a handshake is one round trip
  if (native) {
    yes(Interface::kAuthenticationDelegation, "AD", "the layer's membership admits peers");
  } else {
    no(Interface::kAuthenticationDelegation, "AD");
  }
  if (native) {
    no(Interface::kPreSharedKeyImport, "PSKI");
  } else {
    yes(Interface::kPreSharedKeyImport, "PSKI", peer->config.preshared_key ? "set" : "not set");
  }
  yes(Interface::kIdentityValidation, "IV",
      native ? (peer->name ? "certificate of " + wire::to_string(*peer->name) : "not yet shown")
             : "configured key " + base::to_base64(peer->key.key));
  yes(Interface::kSourceAddressValidation, "SAV",
      std::string(impl_->under_load ? "cookies are asked for" : "not under load") +
          (peer->jar.has_cookie(now) ? "; the peer asks for one" : ""));
  yes(Interface::kConnectionTermination, "CT",
      native ? "keys wiped here; the peer's next record is answered with a reset"
             : "keys wiped here; the peer notices when nothing answers");
  yes(Interface::kKeyUpdate, "KU",
      std::to_string(peer->handshakes) + " handshakes" + (peer->attempt ? ", one under way" : "") +
          (keys ? ", keys since " + seconds(now - keys->created) : ""));
  no(Interface::kSharedSecretKeyExport, "SSKE");
  yes(Interface::kKeyExpiration, "KE",
      keys ? "in " + seconds(keys->created + config.timing.reject_after_time - now) : "no keys");
  if (impl_->session()) {
    no(Interface::kMobilityEvents, "ME");  // the links below move; names do not
  } else {
    yes(Interface::kMobilityEvents, "ME", std::to_string(peer->moves) + " moves");
  }
  return out;
}

}  // namespace entresol::security
