if(TARGET entresol_layer_policy)
  entresol_fuzzer(layer_policy SOURCE layer_policy_fuzz.cc DEPS entresol_layer_policy)
endif()
