entresol_fuzzer(dns_message SOURCE dns_message_fuzz.cc DEPS entresol_dns)
entresol_fuzzer(dns_resolv SOURCE dns_resolv_fuzz.cc DEPS entresol_runtime_resolv)
