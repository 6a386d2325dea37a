// The codes of every error that a person can meet. Grouped by hundreds: 01xx configuration, 02xx keys and certificates,
// 03xx the machine (TUN, ports, routes, rights), 04xx links and sessions, 05xx control socket and command.
#pragma once

#include <string_view>

namespace entresol::base::code {

inline constexpr std::string_view kConfigSyntax = "E0101";      // not YAML
inline constexpr std::string_view kConfigUnknownKey = "E0102";  // a key nobody reads
inline constexpr std::string_view kConfigBadValue = "E0103";    // a value out of its range or form
inline constexpr std::string_view kConfigMissingKey = "E0104";  // a required key is absent
inline constexpr std::string_view kFileUnreadable = "E0105";    // file absent or not readable
inline constexpr std::string_view kFileUnwritable = "E0106";    // file cannot be written
inline constexpr std::string_view kKeyMalformed = "E0201";      // key file is not a key
inline constexpr std::string_view kCertificateMalformed = "E0202";
inline constexpr std::string_view kCertificateUntrusted =
    "E0203";  // signature or chain does not lead to the root
inline constexpr std::string_view kCertificateExpired = "E0204";
inline constexpr std::string_view kNameTaken = "E0205";   // a second key for one name
inline constexpr std::string_view kWrongLayer = "E0206";  // object of another layer
inline constexpr std::string_view kKeyExists = "E0207";   // refuses to overwrite a key
inline constexpr std::string_view kNoTun = "E0301";
inline constexpr std::string_view kNoPermission = "E0302";
inline constexpr std::string_view kPortTaken = "E0303";
inline constexpr std::string_view kRouteOverlap = "E0304";
inline constexpr std::string_view kUnderlayTooSmall = "E0305";
inline constexpr std::string_view kAlreadyRunning = "E0306";
inline constexpr std::string_view kSystemCall = "E0307";  // a system call failed for another reason
inline constexpr std::string_view kUnreachable = "E0401";
inline constexpr std::string_view kDenied = "E0402";
inline constexpr std::string_view kNotRunning = "E0501";
inline constexpr std::string_view kUsage = "E0502";

}  // namespace entresol::base::code
