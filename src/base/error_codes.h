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
inline constexpr std::string_view kDemoExists = "E0503";  // a demo runs, or was kept
// Controller: tokens, members, requests to it (051x, 052x), its store (053x).
inline constexpr std::string_view kTokenMalformed = "E0510";
inline constexpr std::string_view kTokenUnknown = "E0511";
inline constexpr std::string_view kTokenExpired = "E0512";
inline constexpr std::string_view kTokenUsed = "E0513";
inline constexpr std::string_view kTokenRefused = "E0514";    // admits another role or label
inline constexpr std::string_view kLabelMalformed = "E0515";  // label or tag
inline constexpr std::string_view kLabelTaken = "E0516";
inline constexpr std::string_view kPoolExhausted = "E0517";
inline constexpr std::string_view kMemberUnknown = "E0518";
inline constexpr std::string_view kMemberRevoked = "E0519";
inline constexpr std::string_view kRequestUnproved = "E0520";  // not signed by whom it should be
inline constexpr std::string_view kRequestStale = "E0521";     // clocks differ
inline constexpr std::string_view kRegistrationOld = "E0522";  // a newer one is known
inline constexpr std::string_view kObjectsTooLarge = "E0523";
inline constexpr std::string_view kDelegationEnded = "E0524";
inline constexpr std::string_view kApiTokenUnknown = "E0525";
inline constexpr std::string_view kScopeMissing = "E0526";
inline constexpr std::string_view kNameKeyElsewhere =
    "E0527";                                               // a shared name's key is its owner's
inline constexpr std::string_view kStoreLocked = "E0530";  // by another process
inline constexpr std::string_view kStoreFull = "E0531";    // the disk is
inline constexpr std::string_view kStoreNewer = "E0532";   // of a newer version of the program
inline constexpr std::string_view kStoreBroken = "E0533";  // not a store, or damaged
inline constexpr std::string_view kStoreFailed = "E0534";  // input or output failed
// HTTP between members, people and the controller (06xx).
inline constexpr std::string_view kHttpUnreachable = "E0601";  // no address of the server answers
inline constexpr std::string_view kHttpWrongKey = "E0602";     // not the key that is pinned
inline constexpr std::string_view kHttpTimeout = "E0603";
inline constexpr std::string_view kHttpBadAnswer = "E0604";   // cut, too large, or no HTTP
inline constexpr std::string_view kHttpBadRequest = "E0605";  // malformed
inline constexpr std::string_view kHttpTooLarge = "E0606";    // header or body of a request
inline constexpr std::string_view kHttpInternal = "E0607";    // the server failed
inline constexpr std::string_view kHttpBusy = "E0608";        // the server stops, or has no room
inline constexpr std::string_view kHttpTooManyFailures = "E0609";  // from this address
// Modules of services (07xx).
inline constexpr std::string_view kModuleMalformed =
    "E0701";  // no module, or one that needs what is off
inline constexpr std::string_view kModuleCode = "E0702";  // compiled code that is not to be run
inline constexpr std::string_view kModuleUnfit =
    "E0703";  // imports what is not granted, or lacks an entry
// Services of a node (071x).
inline constexpr std::string_view kServiceUnknown = "E0710";  // no such module runs there
// What services may do (074x).
inline constexpr std::string_view kBindingNotOwned = "E0740";
inline constexpr std::string_view kBindingPayload = "E0741";  // and its traffic is sealed
// The author's kit (072x).
inline constexpr std::string_view kKitTools = "E0720";    // a compiler or library is missing
inline constexpr std::string_view kKitBuild = "E0721";    // the source does not compile
inline constexpr std::string_view kKitModule = "E0722";   // module and manifest do not go together
inline constexpr std::string_view kKitScript = "E0723";   // a test script cannot be read
inline constexpr std::string_view kKitFault = "E0724";    // the service faulted where it must not
inline constexpr std::string_view kKitExists = "E0725";   // the folder of a new service is there
inline constexpr std::string_view kKitPackage = "E0726";  // no package, damaged, or not signed
// Services of a layer (075x).
inline constexpr std::string_view kServiceUnpublished = "E0750";  // the layer has none of that name
inline constexpr std::string_view kServiceTaken = "E0751";        // id or name is another's
inline constexpr std::string_view kServiceVersion = "E0752";  // not higher, or none to go back to
inline constexpr std::string_view kServiceId = "E0753";       // a public id, not in the registry
inline constexpr std::string_view kServiceFull = "E0754";     // more than a layer has room for
inline constexpr std::string_view kServiceStart = "E0755";    // it faulted at its start
inline constexpr std::string_view kServicePackage = "E0756";  // not what the catalogue names

}  // namespace entresol::base::code
