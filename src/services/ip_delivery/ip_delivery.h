// Service 1, IP delivery: a packet goes to the member that its destination names.
#pragma once

#include "entresol/service.h"

#ifdef __cplusplus
extern "C" {
#endif
const entresol_service* entresol_service_ip_delivery(void);
#ifdef __cplusplus
}
#endif
