// Feeds a fuzz target without libFuzzer: every file of the folders given, and every prefix of the
// short ones, each in a heap block of exactly its size so that the address sanitizer sees the first
// byte read beyond it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kLongestWithPrefixes = 2048;

void feed(const std::vector<char>& bytes, std::size_t size) {
  auto exact = std::make_unique<std::uint8_t[]>(size);
  if (size > 0) std::memcpy(exact.get(), bytes.data(), size);
  LLVMFuzzerTestOneInput(exact.get(), size);
}

std::size_t replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::size_t from = bytes.size() <= kLongestWithPrefixes ? 0 : bytes.size();
  for (std::size_t size = from; size <= bytes.size(); ++size) feed(bytes, size);
  return bytes.size() - from + 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_regular_file(argv[i])) {
      files.emplace_back(argv[i]);
    } else {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    }
  }
  std::sort(files.begin(), files.end());
  std::size_t executions = 0;
  for (const auto& file : files) {
    // Named before it is fed: what crashes is the last one named.
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    executions += replay(file);
  }
  std::printf("%zu files, %zu executions\n", files.size(), executions);
  return files.empty() ? 1 : 0;
}
