// A disk for tests, below SQLite: files in memory that forget at a crash what was not synced, or keep some of it, torn at
// sectors. It dies at a chosen write, and it can be full.
//
// What is promised to SQLite is what its own unix VFS promises by default: a write damages nothing beside it, and 512 octets
// are written whole or not at all.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "security/test_random.h"

namespace entresol::store::test {

class Disk {
 public:
  explicit Disk(std::uint64_t seed) : random_(seed) {
    static int count = 0;
    name_ = "forgetful-" + std::to_string(count++);
    std::memset(&vfs_, 0, sizeof vfs_);
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(Handle);
    vfs_.mxPathname = 256;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = &open;
    vfs_.xDelete = &remove;
    vfs_.xAccess = &access;
    vfs_.xFullPathname = &full_path;
    vfs_.xRandomness = &randomness;
    vfs_.xSleep = [](sqlite3_vfs*, int micros) { return micros; };
    vfs_.xCurrentTime = [](sqlite3_vfs*, double* day) {
      *day = 2460000.5;
      return SQLITE_OK;
    };
    vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~Disk() { sqlite3_vfs_unregister(&vfs_); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  const std::string& name() const { return name_; }
  // The machine dies at the n-th write from now (0: the next), which is not made. Then nothing works until crash().
  void die_at(std::uint64_t writes) { left_ = writes; }
  bool dead() const { return dead_; }
  std::uint64_t writes() const { return writes_; }
  std::uint64_t syncs() const { return syncs_; }
  // What was written and not synced is gone; or, if `some` of it reached the disk, in any order and torn.
  void crash(bool some) {
    for (auto at = files_.begin(); at != files_.end();) {
      File& file = *at->second;
      if (some) keep_some(file);
      file.pending.clear();
      file.now = file.durable;
      if (!file.named) {
        at = files_.erase(at);
      } else {
        file.present = true;
        ++at;
      }
    }
    dead_ = false;
    left_ = kNever;
    capacity_ = kNever;
  }
  void limit(std::uint64_t octets) { capacity_ = octets; }
  std::uint64_t used() const {
    std::uint64_t sum = 0;
    for (const auto& [path, file] : files_) sum += file->now.size();
    return sum;
  }

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::size_t kSector = 512;

  struct Write {
    std::size_t offset = 0;
    base::Bytes octets;
    bool truncate = false;  // to `offset`
  };
  struct File {
    base::Bytes now, durable;
    std::vector<Write> pending;
    bool present = true;  // in the directory as it is seen
    bool named = false;   // in the directory on disk
  };
  struct Handle {
    sqlite3_file base;  // first: SQLite sees this
    Disk* disk;
    std::shared_ptr<File>* file;
  };

  static Disk& of(sqlite3_vfs* vfs) { return *static_cast<Disk*>(vfs->pAppData); }
  static Handle& of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }

  // Whether one more write happens.
  bool alive() {
    if (dead_) return false;
    ++writes_;
    if (left_ != kNever && left_-- == 0) dead_ = true;
    return !dead_;
  }

  static void apply(base::Bytes& content, const Write& write) {
    if (write.truncate) {
      content.resize(write.offset);
      return;
    }
    if (content.size() < write.offset + write.octets.size())
      content.resize(write.offset + write.octets.size());
    std::copy(write.octets.begin(), write.octets.end(),
              content.begin() + static_cast<std::ptrdiff_t>(write.offset));
  }

  void keep_some(File& file) {
    for (const Write& write : file.pending) {
      if (random_.chance(50)) continue;
      file.named = true;
      if (write.truncate) {
        if (write.offset < file.durable.size()) apply(file.durable, write);
        continue;
      }
      // Sector by sector; a write that begins inside of one tears at its borders.
      for (std::size_t begin = 0; begin < write.octets.size();) {
        const std::size_t here = write.offset + begin;
        const std::size_t end = std::min(begin + kSector - here % kSector, write.octets.size());
        if (random_.chance(70))
          apply(file.durable, {here,
                               {write.octets.begin() + static_cast<std::ptrdiff_t>(begin),
                                write.octets.begin() + static_cast<std::ptrdiff_t>(end)},
                               false});
        begin = end;
      }
    }
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* granted) {
    Disk& disk = of(vfs);
    Handle& handle = of(out);
    handle.base.pMethods = nullptr;
    if (disk.dead_) return SQLITE_CANTOPEN;
    std::shared_ptr<File> file;
    if (path == nullptr) {
      file = std::make_shared<File>();
    } else {
      auto& at = disk.files_[path];
      if (at == nullptr) at = std::make_shared<File>();
      if (!at->present) {
        if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
        at->present = true;
        at->now.clear();
        at->pending.push_back({0, {}, true});
      }
      file = at;
    }
    handle.disk = &disk;
    handle.file = new std::shared_ptr<File>(file);
    handle.base.pMethods = methods();
    if (granted != nullptr) *granted = flags;
    return SQLITE_OK;
  }

  // Unlinked; on disk only if the directory is synced.
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    Disk& disk = of(vfs);
    const auto at = disk.files_.find(path);
    if (at == disk.files_.end() || !at->second->present) return SQLITE_IOERR_DELETE_NOENT;
    if (!disk.alive()) return SQLITE_IOERR_DELETE;
    if (sync_directory != 0) {
      disk.files_.erase(at);
    } else {
      at->second->present = false;
    }
    return SQLITE_OK;
  }

  static int access(sqlite3_vfs* vfs, const char* path, int, int* result) {
    const auto at = of(vfs).files_.find(path);
    *result = at != of(vfs).files_.end() && at->second->present ? 1 : 0;
    return SQLITE_OK;
  }

  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    sqlite3_snprintf(size, out, "%s", path);
    return SQLITE_OK;
  }

  static int randomness(sqlite3_vfs* vfs, int size, char* out) {
    of(vfs).random_.fill({reinterpret_cast<std::uint8_t*>(out), static_cast<std::size_t>(size)});
    return size;
  }

  static int close(sqlite3_file* file) {
    delete of(file).file;
    return SQLITE_OK;
  }

  static int read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
    const Handle& handle = of(file);
    if (handle.disk->dead_) return SQLITE_IOERR_READ;
    const base::Bytes& content = (*handle.file)->now;
    const auto wanted = static_cast<std::size_t>(size);
    const auto begin = std::min(static_cast<std::size_t>(offset), content.size());
    const std::size_t found = std::min(wanted, content.size() - begin);
    if (found > 0) std::memcpy(out, content.data() + begin, found);
    std::memset(static_cast<char*>(out) + found, 0, wanted - found);
    return found == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }

  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    const Handle& handle = of(file);
    Disk& disk = *handle.disk;
    File& target = **handle.file;
    if (!disk.alive()) return SQLITE_IOERR_WRITE;
    const auto begin = static_cast<std::size_t>(offset);
    const auto end = begin + static_cast<std::size_t>(size);
    if (end > target.now.size() && disk.used() + (end - target.now.size()) > disk.capacity_)
      return SQLITE_FULL;
    const auto* octets = static_cast<const std::uint8_t*>(from);
    target.pending.push_back({begin, {octets, octets + size}, false});
    apply(target.now, target.pending.back());
    return SQLITE_OK;
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    const Handle& handle = of(file);
    if (!handle.disk->alive()) return SQLITE_IOERR_TRUNCATE;
    File& target = **handle.file;
    target.pending.push_back({static_cast<std::size_t>(size), {}, true});
    apply(target.now, target.pending.back());
    return SQLITE_OK;
  }

  static int sync(sqlite3_file* file, int) {
    const Handle& handle = of(file);
    if (!handle.disk->alive()) return SQLITE_IOERR_FSYNC;
    ++handle.disk->syncs_;
    File& target = **handle.file;
    target.durable = target.now;
    target.pending.clear();
    target.named = true;
    return SQLITE_OK;
  }

  static int size(sqlite3_file* file, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>((*of(file).file)->now.size());
    return SQLITE_OK;
  }

  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods kMethods = [] {
      sqlite3_io_methods m;
      std::memset(&m, 0, sizeof m);
      m.iVersion = 1;  // no shared memory: the log works in exclusive mode alone
      m.xClose = &close;
      m.xRead = &read;
      m.xWrite = &write;
      m.xTruncate = &truncate;
      m.xSync = &sync;
      m.xFileSize = &size;
      m.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xCheckReservedLock = [](sqlite3_file*, int* held) {
        *held = 0;
        return SQLITE_OK;
      };
      m.xFileControl = &control;
      m.xSectorSize = [](sqlite3_file*) { return 4096; };
      m.xDeviceCharacteristics = [](sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; };
      return m;
    }();
    return &kMethods;
  }

  security::SeededRandom random_;
  std::string name_;
  sqlite3_vfs vfs_;
  std::map<std::string, std::shared_ptr<File>> files_;
  std::uint64_t left_ = kNever;
  std::uint64_t capacity_ = kNever;
  std::uint64_t writes_ = 0, syncs_ = 0;
  bool dead_ = false;
};

}  // namespace entresol::store::test
