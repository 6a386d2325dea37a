entresol_fuzzer(layer_object SOURCE layer_object_fuzz.cc DEPS entresol_layer_membership)
entresol_fuzzer(layer_armor SOURCE layer_armor_fuzz.cc DEPS entresol_layer_membership)
entresol_fuzzer(layer_receive SOURCE layer_receive_fuzz.cc DEPS entresol_layer_member entresol_service
                entresol_services_ip_delivery)
entresol_fuzzer(layer_inbound SOURCE layer_inbound_fuzz.cc DEPS entresol_layer_member entresol_service
                entresol_services_ip_delivery)
entresol_fuzzer(layer_node SOURCE layer_node_fuzz.cc DEPS entresol_layer_member entresol_service
                entresol_services_ip_delivery)
