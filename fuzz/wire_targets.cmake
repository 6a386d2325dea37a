entresol_fuzzer(wire_header SOURCE wire_header_fuzz.cc DEPS entresol_wire)
entresol_fuzzer(wire_control SOURCE wire_control_fuzz.cc DEPS entresol_wire)
entresol_fuzzer(wire_field SOURCE wire_field_fuzz.cc DEPS entresol_wire)
entresol_fuzzer(wire_session SOURCE wire_session_fuzz.cc DEPS entresol_wire)
