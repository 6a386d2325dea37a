if(TARGET entresol_controller)
  entresol_fuzzer(controller_api SOURCE controller_api_fuzz.cc DEPS entresol_controller)
  entresol_fuzzer(controller_states SOURCE controller_states_fuzz.cc DEPS entresol_controller)
endif()
