entresol_fuzzer(cli_admission SOURCE cli_admission_fuzz.cc DEPS entresol_cli_admission)
entresol_fuzzer(cli_kit SOURCE cli_kit_fuzz.cc DEPS entresol_cli_kit)
