// Service 16: a filter over header fields. Rules are a configured text, separated by ';' or lines:
//
//   allow|deny [from NAME] [to NAME] [PROTOCOL[/PORT[-PORT]]]
//
// NAME is a member's name as it prints, fd35:…; from is who opened the flow, to is who answers. PROTOCOL is tcp, udp, icmp,
// icmpv6 or a number. The first rule that matches decides. A text with an error refuses everything, and says so in the log.
#pragma once

#include "entresol/service.h"

#ifdef __cplusplus
extern "C" {
#endif
const entresol_service* entresol_service_filter(void);
#ifdef __cplusplus
}
#endif
