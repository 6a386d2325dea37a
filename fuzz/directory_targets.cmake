if(TARGET entresol_layer_directory)
  entresol_fuzzer(directory_catalogue SOURCE directory_catalogue_fuzz.cc DEPS entresol_layer_directory)
  entresol_fuzzer(directory_token SOURCE directory_token_fuzz.cc DEPS entresol_layer_directory)
endif()
