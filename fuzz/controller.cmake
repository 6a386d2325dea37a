if(TARGET entresol_controller)
  entresol_fuzzer(controller_api SOURCE controller_api_fuzz.cc DEPS entresol_controller)
endif()
