entresol_fuzzer(io_text SOURCE io_text_fuzz.cc DEPS entresol_io)
