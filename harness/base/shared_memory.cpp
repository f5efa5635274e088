// SPDX-License-Identifier: Apache-2.0
#include "harness/base/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/host.h"

namespace lethe {
namespace {

// A multiple of every page size there is.
constexpr std::size_t kBlock = 64 << 10;
constexpr int kEntries = 32;
constexpr std::uint64_t kMagic = 0x3162'6f6c'6265'6874;

enum State : std::uint32_t { kFree, kFilling, kReady };

// Byte 0 of the file is the lock of the table; byte i + 1 that of entry i: exclusive while it is
// filled, shared while it is used. Nobody waits for an entry with the table in hand.
struct Entry {
  std::uint32_t state;  // written last: a process may be killed between any two writes
  char name[64];        // SHA-256 of the name, hexadecimal
  std::uint64_t offset;
  std::uint64_t bytes;

  std::uint64_t end() const { return offset + (bytes + kBlock - 1) / kBlock * kBlock; }
  void set(State value) {
    std::atomic_ref<std::uint32_t>(state).store(value, std::memory_order_release);
  }
  State get() { return State(std::atomic_ref<std::uint32_t>(state).load()); }
};

struct Table {
  std::uint64_t magic;
  std::array<Entry, kEntries> entries;
};
static_assert(sizeof(Table) <= kBlock);

// Takes the pages now, so that a lack of them is an error here and no signal at the first write.
// The kernel would kill someone first, hence the look at what there is.
bool reserve(int fd, std::uint64_t offset, std::uint64_t bytes) {
  if (static_cast<std::uint64_t>(available_bytes()) < bytes) return false;
  rlimit limit{};  // beyond it the kernel sends a signal
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < offset + bytes) return false;
  int rc = 0;
  do {
    rc = fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  } while (rc != 0 && errno == EINTR);
  return rc == 0;
}

void* map(int fd, int protection, std::uint64_t offset, std::size_t bytes) {
  void* address = mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  return address == MAP_FAILED ? nullptr : address;
}

}  // namespace

// Locks belong to an open file description. This process opens the file anew, so that its locks
// stand against those of the other processes.
class SharedBlobs::File : public std::enable_shared_from_this<SharedBlobs::File> {
 public:
  explicit File(int fd) : fd_(open(path_of(fd).c_str(), O_RDWR | O_CLOEXEC)) {
    struct stat info {};
    if (fd_ >= 0 && fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size >= static_cast<off_t>(kBlock)) {
      table_ = static_cast<Table*>(map(fd_, PROT_READ | PROT_WRITE, 0, sizeof(Table)));
    }
    if (table_ && table_->magic == kMagic) return;
    close_all();
    throw Error(ErrorKind::kResource,
                "descriptor " + std::to_string(fd) + " is not the memory that a run shares");
  }
  ~File() { close_all(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::shared_ptr<const std::byte> get(const std::string& name, std::size_t bytes,
                                       const Fill& fill) {
    const std::lock_guard turn(mutex_);
    const std::string key = sha256_hex(name);
    while (bytes > 0) {
      const auto [index, what] = look_up(key, bytes);
      if (what == Found::kNothing) break;
      if (what == Found::kToFill && !make(index, fill)) break;
      if (what != Found::kBusy) return hand_out(index);
      if (!lock(index + 1, F_RDLCK, true)) break;
      lock(index + 1, F_UNLCK, false);  // and look again: it may have failed, or be another one now
    }
    return {};
  }

  bool free_unused() {
    const std::lock_guard turn(mutex_);
    const Hold table(*this, false);
    if (table) sweep();
    return static_cast<bool>(table);
  }

 private:
  enum class Found { kNothing, kReady, kToFill, kBusy };

  // The table's lock.
  class Hold {
   public:
    Hold(File& file, bool wait) : file_(file), held_(file.lock(0, F_WRLCK, wait)) {}
    ~Hold() {
      if (held_) file_.lock(0, F_UNLCK, false);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    explicit operator bool() const { return held_; }

   private:
    File& file_;
    bool held_;
  };

  static std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

  void close_all() {
    if (table_) munmap(table_, sizeof(Table));
    if (fd_ >= 0) ::close(fd_);
  }

  bool lock(int byte, short type, bool wait) {
    struct flock request {};
    request.l_type = type;
    request.l_whence = SEEK_SET;
    request.l_start = byte;
    request.l_len = 1;
    int rc = 0;
    do {
      rc = fcntl(fd_, wait ? F_OFD_SETLKW : F_OFD_SETLK, &request);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
  }

  Entry& entry(int index) { return table_->entries[static_cast<std::size_t>(index)]; }
  int& users(int index) { return users_[static_cast<std::size_t>(index)]; }

  // Leaves a ready entry locked for use, one to fill locked for filling.
  std::pair<int, Found> look_up(const std::string& key, std::size_t bytes) {
    const Hold table(*this, true);
    if (!table) return {-1, Found::kNothing};
    for (int i = 0; i < kEntries; ++i) {
      if (entry(i).get() == kFree || key.compare(0, key.npos, entry(i).name, 64) != 0) continue;
      if (entry(i).bytes != bytes) return {-1, Found::kNothing};
      if (entry(i).get() == kReady) {
        return {i, lock(i + 1, F_RDLCK, false) ? Found::kReady : Found::kBusy};
      }
      // Who was filling it may have been killed.
      return {i, lock(i + 1, F_WRLCK, false) ? Found::kToFill : Found::kBusy};
    }
    sweep();
    for (int i = 0; i < kEntries; ++i) {
      if (entry(i).get() != kFree || !lock(i + 1, F_WRLCK, false)) continue;
      entry(i).offset = place_for(bytes);
      entry(i).bytes = bytes;
      std::memcpy(entry(i).name, key.data(), 64);
      entry(i).set(kFilling);
      return {i, Found::kToFill};
    }
    return {-1, Found::kNothing};
  }

  // The first gap between entries that is large enough.
  std::uint64_t place_for(std::size_t bytes) {
    Entry wanted{kFilling, {}, kBlock, bytes};
    for (bool moved = true; moved;) {
      moved = false;
      for (int i = 0; i < kEntries; ++i) {
        Entry& other = entry(i);
        if (other.get() == kFree || other.end() <= wanted.offset || wanted.end() <= other.offset) {
          continue;
        }
        wanted.offset = other.end();
        moved = true;
      }
    }
    return wanted.offset;
  }

  // Fills an entry that is locked for it, and leaves it locked for use. Without memory for it, or
  // when `fill` throws, the entry is free again.
  bool make(int index, const Fill& fill) {
    Entry& made = entry(index);
    const std::size_t bytes = made.bytes;
    void* address = nullptr;
    if (reserve(fd_, made.offset, bytes)) {
      address = map(fd_, PROT_READ | PROT_WRITE, made.offset, bytes);
    }
    if (!address) {
      give_up(index);
      return false;
    }
    try {
      fill({static_cast<std::byte*>(address), bytes});
    } catch (...) {
      munmap(address, bytes);
      give_up(index);
      throw;
    }
    munmap(address, bytes);
    made.set(kReady);
    return lock(index + 1, F_RDLCK, false);
  }

  void give_up(int index) {
    if (const Hold table(*this, true); table) erase(index);
    lock(index + 1, F_UNLCK, false);
  }

  // With the table and the entry locked.
  void erase(int index) {
    Entry& gone = entry(index);
    gone.set(kFilling);  // killed within the next line, this one must not be taken for whole
    fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(gone.offset),
              static_cast<off_t>(gone.end() - gone.offset));
    gone.set(kFree);
  }

  // With the table locked.
  void sweep() {
    for (int i = 0; i < kEntries; ++i) {
      // Our own lock would not stop us.
      if (entry(i).get() == kFree || users(i) > 0 || !lock(i + 1, F_WRLCK, false)) continue;
      erase(i);
      lock(i + 1, F_UNLCK, false);
    }
  }

  // For an entry that is locked for use.
  std::shared_ptr<const std::byte> hand_out(int index) {
    const std::size_t bytes = entry(index).bytes;
    const void* address = map(fd_, PROT_READ, entry(index).offset, bytes);
    if (!address) {
      if (users(index) == 0) lock(index + 1, F_UNLCK, false);
      return {};
    }
    ++users(index);
    return {static_cast<const std::byte*>(address),
            [self = shared_from_this(), index, bytes](const std::byte* blob) {
              self->take_back(index, blob, bytes);
            }};
  }

  void take_back(int index, const std::byte* blob, std::size_t bytes) {
    munmap(const_cast<std::byte*>(blob), bytes);
    const std::lock_guard turn(mutex_);
    if (--users(index) > 0) return;
    // With the table in hand: of two that go at once, the second must see that it is the last.
    const Hold table(*this, true);
    if (table && lock(index + 1, F_WRLCK, false)) erase(index);
    lock(index + 1, F_UNLCK, false);
  }

  int fd_;
  Table* table_ = nullptr;
  std::mutex mutex_;
  std::array<int, kEntries> users_{};  ///< pointers of this process, per entry
};

SharedBlobs::SharedBlobs(int fd) : file_(std::make_shared<File>(fd)) {}

std::shared_ptr<const std::byte> SharedBlobs::get(const std::string& name, std::size_t bytes,
                                                  const Fill& fill) {
  return file_->get(name, bytes, fill);
}

bool SharedBlobs::free_unused() {
  return file_->free_unused();
}

std::unique_ptr<SharedMemory> SharedMemory::create() {
  const int made = memfd_create("lethe-shared", MFD_CLOEXEC);
  if (made < 0) return nullptr;
  // Above the numbers that a child's descriptors are moved to.
  const int fd = fcntl(made, F_DUPFD_CLOEXEC, 16);
  ::close(made);
  if (fd < 0) return nullptr;
  std::unique_ptr<SharedMemory> memory(new SharedMemory(fd));
  if (!reserve(fd, 0, kBlock)) return nullptr;
  if (pwrite(fd, &kMagic, sizeof kMagic, 0) != sizeof kMagic) return nullptr;
  try {
    memory->blobs_ = std::make_unique<SharedBlobs>(fd);
  } catch (const Error&) {  // no /proc
    return nullptr;
  }
  return memory;
}

SharedMemory::~SharedMemory() {
  ::close(fd_);
}

std::int64_t SharedMemory::held_bytes() const {
  struct stat info {};
  return fstat(fd_, &info) == 0 ? std::int64_t{512} * info.st_blocks : 0;
}

}  // namespace lethe
