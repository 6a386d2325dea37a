entresol_fuzzer(base_text SOURCE base_text_fuzz.cc DEPS entresol_base)
