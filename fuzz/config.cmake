entresol_fuzzer(config SOURCE config_fuzz.cc DEPS entresol_config)
