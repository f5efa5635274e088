// SPDX-License-Identifier: Apache-2.0
// One copy for several processes: real children, killed, failing and in a crowd.
#include "harness/base/shared_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "tests/support/catch.h"

using namespace lethe;

namespace {

constexpr std::size_t kSize = 1'000'000;  // no multiple of a page
constexpr std::int64_t kTable = 64 << 10;

// Counts in memory that children share with this process.
struct Counts {
  std::atomic<int> fills, inside, go;
};

class Shared {
 public:
  Shared()
      : at_(mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                 0)) {
    REQUIRE(at_ != MAP_FAILED);
  }
  ~Shared() { munmap(at_, sizeof(Counts)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  Counts* operator->() const { return static_cast<Counts*>(at_); }

 private:
  void* at_;
};

template <typename Condition>
bool eventually(Condition&& condition) {
  for (int i = 0; i < 10'000 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

/// Runs `body` in a child, which ends with what it returns (99 on an exception).
template <typename Body>
pid_t child(Body&& body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  int code = 99;
  try {
    code = body();
  } catch (...) {
  }
  _exit(code);
}

int wait_for(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void write(std::span<std::byte> bytes, char what) {
  std::memset(bytes.data(), what, bytes.size());
}

bool holds(const std::shared_ptr<const std::byte>& blob, char what, std::size_t size = kSize) {
  if (!blob) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (blob.get()[i] != std::byte(what)) return false;
  }
  return true;
}

SharedBlobs::Fill with(char what) {
  return [what](std::span<std::byte> bytes) { write(bytes, what); };
}

const SharedBlobs::Fill kNever = [](std::span<std::byte>) { _exit(98); };

}  // namespace

TEST_CASE("processes that want a blob at once get one copy, filled once") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const Shared counts;
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(child([&] {
      SharedBlobs blobs(memory->fd());
      auto blob = blobs.get("a", kSize, [&](std::span<std::byte> bytes) {
        ++counts->fills;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        write(bytes, 'x');
      });
      const bool good = holds(blob, 'x');
      ++counts->inside;
      if (!eventually([&] { return counts->go == 1; })) return 1;
      blob.reset();
      return good ? 0 : 2;
    }));
  }
  REQUIRE(eventually([&] { return counts->inside == 3; }));
  CHECK(counts->fills == 1);
  CHECK(memory->held_bytes() >= kTable + static_cast<std::int64_t>(kSize));
  CHECK(memory->held_bytes() < 2 * static_cast<std::int64_t>(kSize));
  CHECK(memory->free_unused());  // in use: stays
  CHECK(memory->held_bytes() >= static_cast<std::int64_t>(kSize));
  counts->go = 1;
  for (const pid_t pid : children) CHECK(wait_for(pid) == 0);
  CHECK(memory->held_bytes() == kTable);
}

TEST_CASE("a blob whose maker is killed half-way is made again, also by one that waits for it") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const Shared counts;
  const pid_t maker = child([&] {
    SharedBlobs(memory->fd()).get("a", kSize, [&](std::span<std::byte> bytes) {
      write(bytes.first(bytes.size() / 2), 'h');
      counts->inside = 1;
      while (true) pause();
    });
    return 0;
  });
  REQUIRE(eventually([&] { return counts->inside == 1; }));
  const pid_t waiting = child([&] {
    SharedBlobs blobs(memory->fd());
    counts->inside = 2;
    const auto blob = blobs.get("a", kSize, [&](std::span<std::byte> bytes) {
      ++counts->fills;
      write(bytes, 'x');
    });
    return holds(blob, 'x') ? 0 : 1;
  });
  REQUIRE(eventually([&] { return counts->inside == 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(counts->fills == 0);
  CHECK_FALSE(memory->held_bytes() == kTable);
  kill(maker, SIGKILL);
  CHECK(wait_for(maker) == 1000 + SIGKILL);
  CHECK(wait_for(waiting) == 0);
  CHECK(counts->fills == 1);
  CHECK(memory->held_bytes() == kTable);
}

TEST_CASE("memory is freed with the last user, and what killed ones leave when looked after") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs one(memory->fd()), two(memory->fd());  // as two processes
  auto a = one.get("a", kSize, with('a'));
  auto again = one.get("a", kSize, kNever);
  auto other = two.get("a", kSize, kNever);
  REQUIRE((a && again && other));
  const auto held = memory->held_bytes();
  a.reset();
  other.reset();
  CHECK(memory->held_bytes() == held);
  CHECK(holds(again, 'a'));
  again.reset();
  CHECK(memory->held_bytes() == kTable);

  const auto leave = [&](bool made) {
    const pid_t pid = child([&] {
      SharedBlobs blobs(memory->fd());
      const auto blob = blobs.get("b", kSize, [&](std::span<std::byte> bytes) {
        write(bytes, 'b');
        if (!made) raise(SIGKILL);
      });
      raise(SIGKILL);
      return 0;
    });
    CHECK(wait_for(pid) == 1000 + SIGKILL);
    CHECK(memory->held_bytes() > kTable);
  };
  for (const bool made : {true, false}) {
    leave(made);
    CHECK(memory->free_unused());
    CHECK(memory->held_bytes() == kTable);
  }
  leave(true);
  CHECK(holds(two.get("b", kSize, kNever), 'b'));  // whole, so it is used
  leave(true);
  const auto c = one.get("c", kSize, with('c'));  // takes the place of what nobody uses
  CHECK(memory->held_bytes() == held);

  auto lasting = std::make_unique<SharedBlobs>(memory->fd());
  const auto kept = lasting->get("d", kSize, with('d'));
  lasting.reset();
  CHECK(holds(kept, 'd'));  // a blob outlives the object it came from
}

TEST_CASE("what cannot be shared is not, and breaks nothing") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs one(memory->fd()), two(memory->fd());
  const auto a = one.get("a", kSize, with('a'));
  CHECK_FALSE(two.get("a", kSize + 1, kNever));
  CHECK_FALSE(two.get("b", 0, kNever));

  std::vector<std::shared_ptr<const std::byte>> many;
  while (auto blob = two.get("n" + std::to_string(many.size()), 100, with('n'))) {
    many.push_back(std::move(blob));
    REQUIRE(many.size() < 1000);
  }
  CHECK(many.size() == 31);
  CHECK_FALSE(one.get("late", 100, kNever));
  CHECK(holds(one.get("n7", 100, kNever), 'n', 100));
  many.erase(many.begin() + 3);
  CHECK(holds(one.get("late", 3 * kSize, with('l')), 'l', 3 * kSize));
  many.clear();
  CHECK(holds(a, 'a'));

  CHECK_THROWS_AS(SharedBlobs(-1), Error);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK_THROWS_AS(SharedBlobs(null), Error);
  close(null);
}

TEST_CASE("an error while a blob is filled comes through, and the next one fills again") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs one(memory->fd()), two(memory->fd());
  const auto fail = [](std::span<std::byte> bytes) {
    write(bytes, 'h');
    throw Error(ErrorKind::kModel, "a value is not finite");
  };
  for (int i = 0; i < 40; ++i) {  // more often than the table has places
    CHECK_THROWS_WITH(one.get("a", kSize, fail), "a value is not finite");
    CHECK(memory->held_bytes() == kTable);
  }
  CHECK(holds(two.get("a", kSize, with('x')), 'x'));
}

TEST_CASE("without the memory for a blob there is none, and no signal") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const pid_t pid = child([&] {
    SharedBlobs blobs(memory->fd());
    const rlimit little{2 * kSize, 2 * kSize};
    if (setrlimit(RLIMIT_FSIZE, &little) != 0) return 1;
    if (blobs.get("large", 3 * kSize, kNever)) return 2;
    if (!holds(blobs.get("small", kSize, with('s')), 's')) return 3;
    return memory->held_bytes() == kTable ? 0 : 4;
  });
  CHECK(wait_for(pid) == 0);
  // More than the machine has: the reservation fails and gives back what it got.
  CHECK_FALSE(SharedBlobs(memory->fd()).get("huge", std::size_t{1} << 62, kNever));
  CHECK(memory->held_bytes() == kTable);
}

TEST_CASE("a crowd of processes and threads, some of them killed, sees whole blobs alone") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const auto crowd = [&](std::uint64_t seed, bool dies) {
    return child([&memory, seed, dies] {
      SharedBlobs blobs(memory->fd());
      std::atomic<int> bad = 0;
      const auto work = [&](std::uint64_t thread) {
        RandomStream random(derive_seed(seed, std::to_string(thread)));
        for (int i = 0; i < 150; ++i) {
          const auto which = random.below(5);
          const char what = static_cast<char>('a' + which);
          const std::size_t size = 20'000 + 70'000 * which;
          const auto blob = blobs.get(std::string(1, what), size, with(what));
          if (!holds(blob, what, size)) ++bad;
          if (dies && i == 70) raise(SIGKILL);
        }
      };
      std::thread second(work, 1);
      work(0);
      second.join();
      return bad == 0 ? 0 : 1;
    });
  };
  std::vector<pid_t> staying, dying;
  for (std::uint64_t i = 0; i < 3; ++i) {
    staying.push_back(crowd(i, false));
    dying.push_back(crowd(100 + i, true));
  }
  for (const pid_t pid : staying) CHECK(wait_for(pid) == 0);
  for (const pid_t pid : dying) CHECK(wait_for(pid) == 1000 + SIGKILL);
  CHECK(memory->free_unused());
  CHECK(memory->held_bytes() == kTable);
}
